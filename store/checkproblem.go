package store

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Problem is one thing that a check has found. It is about a stored object,
// or about what a snapshot has lost.
type Problem struct {
	Object   string     // name of the stored object; empty for a loss
	Snapshot SnapshotID // the snapshot that is affected; zero if it is not about one
	Path     []byte     // of the file or directory in the snapshot, from its root; nil if it is not about one

	// The range of the file or, without a path, of the object; bytes. A length
	// of zero is all of it.
	Offset, Length uint64

	Severity Severity
	Err      error
}

// Severity says what a problem costs. A larger one is worse.
type Severity uint8

const (
	// Note: the problem costs nothing. It is about garbage of an interrupted
	// run, or damage to what nobody needs or what is stored elsewhere too.
	Note Severity = iota + 1
	// Repairable: `garret repair` puts it right and nothing is lost. Parity
	// heals it, its second copy is sound, it can be rebuilt from the rest.
	Repairable
	// Lost: something that is needed is gone, or it cannot be proven that
	// nothing is.
	Lost
)

// String returns the severity as it stands in JSON.
func (s Severity) String() string {
	switch s {
	case Note:
		return "note"
	case Repairable:
		return "repairable"
	}
	return "lost"
}

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Severity) UnmarshalText(text []byte) error {
	for _, known := range []Severity{Note, Repairable, Lost} {
		if known.String() == string(text) {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("%q is no severity of a problem", text)
}

// String describes the problem on one line, without its severity.
func (p Problem) String() string {
	var b strings.Builder
	if p.Object != "" {
		b.WriteString(p.Object + ": ")
	} else if p.Snapshot != (SnapshotID{}) {
		b.WriteString("snapshot " + p.Snapshot.Short() + ": ")
	}
	if p.Path != nil {
		b.WriteString(printablePath(p.Path) + ": ")
	}
	if p.Length > 0 {
		fmt.Fprintf(&b, "bytes %d-%d: ", p.Offset, p.Offset+p.Length-1)
	}
	return b.String() + p.Err.Error()
}

// printablePath quotes a path that would spoil a terminal.
func printablePath(path []byte) string {
	s := "/" + string(path)
	for _, r := range s {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}

// MarshalJSON writes the problem as one object. A path that is not UTF-8
// stands in path_base64 too, as in the other listings.
func (p Problem) MarshalJSON() ([]byte, error) {
	v := struct {
		Object   string     `json:"object,omitempty"`
		Snapshot SnapshotID `json:"snapshot,omitzero"`
		Path     *string    `json:"path,omitempty"`
		Base64   string     `json:"path_base64,omitempty"`
		Offset   *uint64    `json:"offset,omitempty"`
		Length   uint64     `json:"length,omitempty"`
		Severity Severity   `json:"severity"`
		Error    string     `json:"error"`
	}{Object: p.Object, Snapshot: p.Snapshot, Length: p.Length, Severity: p.Severity, Error: p.Err.Error()}
	if p.Length > 0 {
		v.Offset = &p.Offset
	}
	if p.Path != nil {
		path := strings.ToValidUTF8(string(p.Path), "\ufffd")
		v.Path = &path
		if !utf8.Valid(p.Path) {
			v.Base64 = base64.StdEncoding.EncodeToString(p.Path)
		}
	}
	return json.Marshal(v)
}

// CheckResult sums up a check.
type CheckResult struct {
	// How many problems of each severity were reported.
	Notes      int `json:"notes"`
	Repairable int `json:"repairable"`
	Lost       int `json:"lost"`

	// What was looked at.
	Objects   int64 `json:"objects"`
	Snapshots int64 `json:"snapshots"`
	Packs     int64 `json:"packs"`
	Segments  int64 `json:"segments"`
	Blobs     int64 `json:"blobs"` // copies found where the index says or, if data was read, verified
	Bytes     int64 `json:"bytes"` // stored bytes read

	// What was read of the data: blobs whose HMACs were recomputed, and the
	// stored bytes that they were read with.
	DataBlobs int64 `json:"data_blobs"`
	DataBytes int64 `json:"data_bytes"`
	DataTotal int64 `json:"data_total"` // stored bytes of all packs

	// How much of the data was verified in this run and earlier ones, 0 to 1,
	// and when the oldest part was; where that is known.
	Covered float64    `json:"covered,omitempty"`
	Oldest  *time.Time `json:"oldest,omitempty"`

	// What was verified and what was not, in sentences.
	Verified    []string `json:"verified"`
	NotVerified []string `json:"not_verified"`
}

// Problems returns how many problems there are that are more than notes.
func (r *CheckResult) Problems() int { return r.Repairable + r.Lost }

// reporter hands problems on, one at a time, and keeps the counts.
type reporter struct {
	mu       sync.Mutex
	report   func(Problem)
	progress *CheckProgress
	result   CheckResult

	incomplete []*twins // of which one copy is missing
}

func newReporter(o CheckOptions) *reporter {
	r := &reporter{report: o.Report, progress: o.Progress}
	if r.progress == nil {
		r.progress = new(CheckProgress)
	}
	return r
}

func (r *reporter) problem(p Problem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch p.Severity {
	case Note:
		r.result.Notes++
	case Repairable:
		r.result.Repairable++
	default: // what was left out by mistake is not made light of
		p.Severity = Lost
		r.result.Lost++
	}
	if r.report != nil {
		r.report(p)
	}
}

// add counts under the lock.
func (r *reporter) add(n *int64, by int64) {
	r.mu.Lock()
	*n += by
	r.mu.Unlock()
}

// done counts an object that was read whole.
func (r *reporter) done(size int64) {
	r.add(&r.result.Objects, 1)
	r.add(&r.result.Bytes, size)
	r.progress.Objects.Add(1)
	r.progress.Bytes.Add(size)
}
