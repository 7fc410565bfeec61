package store

import (
	"errors"
	"fmt"
	"time"

	"garret/store/cache"
)

// summarise says what was verified and what was not.
func (c *checker) summarise() {
	r := &c.result
	yes := func(format string, args ...any) { r.Verified = append(r.Verified, fmt.Sprintf(format, args...)) }
	no := func(format string, args ...any) { r.NotVerified = append(r.NotVerified, fmt.Sprintf(format, args...)) }
	apart := r.apart()

	yes("Both copies of the config, of the key slots and of the snapshots are sound, and leases are readable%s.", apart)
	yes("%s read from the repository, authenticated and checked row by row.", were(r.Segments, "index segment"))
	yes("%s the right size, header, trailer and directory, and agree with the index%s.", have(r.Packs, "pack"), apart)
	if c.r.config.Parity > 0 {
		yes("Each of these packs, and each index segment, has parity of the right size%s.", apart)
		if c.limited() {
			r.Verified[len(r.Verified)-1] = fmt.Sprintf("Each of these packs has parity of the right size%s.", apart)
		}
	}
	switch {
	case c.limited():
		yes("All trees that were asked for of snapshot %s were read, and every blob that they need was looked up in index and packs%s.", c.Only.Short(), apart)
	case c.Walk != nil:
		yes("All trees of %s were read, and every blob that they need was looked up in index and packs%s.", plural(r.Snapshots, "snapshot"), apart)
	default:
		no("Whether the blobs that snapshots need are there.")
	}
	c.summariseData(yes, no)
	if c.limited() {
		no("What other snapshots need.")
	}
	no("Whether a passphrase opens the key slots, and whether a snapshot was removed by somebody else.")
	if n := c.skipped.packs; n > 0 {
		no("%s of sessions that are still running or were interrupted a short time ago.", plural(int64(n), "pack"))
	}
	if n := c.skipped.places; n > 0 {
		no("%s where damaged directories occur within one snapshot: too many to list.", plural(int64(n), "more place"))
	}
}

// summariseData says how much of the data was read.
func (c *checker) summariseData(yes, no func(string, ...any)) {
	r := &c.result
	blobs := fmt.Sprintf("%s decrypted and decompressed, and their HMACs recomputed%s.", were(r.DataBlobs, "blob"), r.apart())
	switch part := c.Part; {
	case !c.ReadData:
		no("The content of files: frames of data were not read.")
		return
	case part.Share > 0:
		yes("A random sample of %s of the %s stored was read: %s", bytesOf(r.DataBytes), bytesOf(r.DataTotal), blobs)
		no("The content of files outside of the sample.")
	case part.Of > 0:
		yes("Part %d of %d of the data, %s of %s stored, was read: %s", part.Number, part.Of, bytesOf(r.DataBytes), bytesOf(r.DataTotal), blobs)
		no("The content of files in the other parts.")
	default:
		yes("%s", blobs)
	}
	if c.last == nil {
		return
	}
	c.last.summarise(r, c.Part, yes, no)
}

// summarise says how far this run and earlier ones have come, where not all of
// the data was to be read.
func (v *verified) summarise(r *CheckResult, part Part, yes, no func(string, ...any)) {
	if part.Limit == 0 && part.Of == 0 {
		return
	}
	if r.Oldest != nil {
		yes("In this run and earlier ones, %d %% of the data was verified, the oldest part on %s.", int(r.Covered*100), r.Oldest.Format(time.DateTime))
	}
	if part.Limit > 0 && r.Covered < 1 {
		no("The content of files in %d %% of the data: the time was up.", 100-int(r.Covered*100))
	}
	if errors.Is(v.err, cache.ErrNoCache) {
		no("How far this run came will not be known to the next: %v.", v.err)
	}
}

// apart qualifies a sentence when something was reported.
func (r *CheckResult) apart() string {
	if r.Notes+r.Problems() == 0 {
		return ""
	}
	return ", apart from what was reported"
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func were(n int64, what string) string {
	if n == 1 {
		return "1 " + what + " was"
	}
	return plural(n, what) + " were"
}

func have(n int64, what string) string {
	if n == 1 {
		return "1 " + what + " has"
	}
	return plural(n, what) + " have"
}

func bytesOf(n int64) string { return plural(n, "byte") }
