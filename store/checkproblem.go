package store

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
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

	// Harmless problems cost nothing that is needed: garbage of an interrupted
	// run, a copy of which another is sound.
	Harmless bool

	Err error
}

// String describes the problem on one line.
func (p Problem) String() string {
	var b strings.Builder
	if p.Harmless {
		b.WriteString("harmless: ")
	}
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
		Harmless bool       `json:"harmless"`
		Error    string     `json:"error"`
	}{Object: p.Object, Snapshot: p.Snapshot, Length: p.Length, Harmless: p.Harmless, Error: p.Err.Error()}
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
	Problems int `json:"problems"` // that were reported, without the harmless ones
	Harmless int `json:"harmless"`

	// What was looked at.
	Objects   int64 `json:"objects"`
	Snapshots int64 `json:"snapshots"`
	Packs     int64 `json:"packs"`
	Segments  int64 `json:"segments"`
	Blobs     int64 `json:"blobs"` // copies found where the index says or, if data was read, verified
	Bytes     int64 `json:"bytes"` // stored bytes read

	// What was verified and what was not, in sentences.
	Verified    []string `json:"verified"`
	NotVerified []string `json:"not_verified"`
}

// reporter hands problems on, one at a time, and keeps the counts.
type reporter struct {
	mu       sync.Mutex
	report   func(Problem)
	progress *CheckProgress
	result   CheckResult
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
	if p.Harmless {
		r.result.Harmless++
	} else {
		r.result.Problems++
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
