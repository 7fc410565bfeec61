package mount

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	timeLayout    = "2006-01-02T15-04-05Z" // no colons: some programs take them for host:path
	maxNamePart   = 64                     // bytes of a host or a label in a file name
	shortIDLength = 8                      // hexadecimal digits
	partialSuffix = ".partial"
)

// snapshotName returns the name of a snapshot's directory, and its short ID.
// Both depend on nothing but the snapshot, unless taken says that another
// snapshot has the short ID: then the whole ID stands in its place.
func snapshotName(s *Snapshot, taken func(shortID string) bool) (name, shortID string) {
	id := safeName(s.ID)
	shortID = id[:min(len(id), shortIDLength)]
	if taken(shortID) {
		shortID = id
	}
	parts := []string{s.Time.UTC().Format(timeLayout), safeName(s.Host)}
	if s.Label != "" {
		parts = append(parts, safeName(s.Label))
	}
	name = strings.Join(append(parts, shortID), "_")
	if s.Partial {
		name += partialSuffix
	}
	return name, shortID
}

// safeName makes a file name of a host or label, which may be anything in a
// record that somebody else wrote.
func safeName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '/' || r == utf8.RuneError || unicode.IsControl(r) {
			return '-'
		}
		return r
	}, s)
	if len(s) > maxNamePart {
		s = strings.ToValidUTF8(s[:maxNamePart], "")
	}
	switch s {
	case "", ".", "..":
		return "_"
	}
	return s
}
