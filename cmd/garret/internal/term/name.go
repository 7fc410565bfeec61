package term

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Name returns a file's name or path as it can be shown: as it is when it is
// UTF-8 that prints, else quoted with Go's escapes, so that no name can move the
// cursor, change colours or the direction of writing, or look like several
// lines. A name that begins with a quotation mark is quoted too, so that what
// is shown is never ambiguous.
func Name(s string) string {
	if printable(s) != s || strings.HasPrefix(s, `"`) {
		return strconv.Quote(s)
	}
	return s
}

// printable returns s with everything escaped that does not print.
func printable(s string) string {
	for _, r := range s {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			q := strconv.Quote(s)
			return q[1 : len(q)-1]
		}
	}
	return s
}

// Path is how a path stands in JSON; embed it in the object of an entry.
type Path struct {
	Path string `json:"path"` // with U+FFFD for what is not UTF-8
	// Base64 has the path's bytes (RFC 4648, padded) when they are not UTF-8.
	Base64 string `json:"path_base64,omitempty"`
}

// JSONPath returns a path as it stands in JSON.
func JSONPath(path string) Path {
	if utf8.ValidString(path) {
		return Path{Path: path}
	}
	return Path{strings.ToValidUTF8(path, "\ufffd"), base64.StdEncoding.EncodeToString([]byte(path))}
}
