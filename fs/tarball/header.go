package tarball

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"garret/fs/tree"
)

// blockSize is what headers are, and contents are padded to, bytes.
const blockSize = 512

// The types of entries (POSIX.1-2001, ustar interchange format).
const (
	typeFile      = '0'
	typeLink      = '1'
	typeSymlink   = '2'
	typeChar      = '3'
	typeBlock     = '4'
	typeDirectory = '5'
	typeFIFO      = '6'
	typePAX       = 'x'
)

// header is what stands in front of an entry's content.
type header struct {
	typeflag     byte
	name         string // directories end in a slash
	link         string // target of a link
	mode         uint16
	uid, gid     uint32
	user, group  string
	size         uint64 // of what follows in the archive, bytes
	mtime        tree.Time
	major, minor uint32
	records      records
}

// records are those of a pax header, encoded.
type records []byte

// add appends "LENGTH KEY=VALUE\n", where the length counts itself.
func (r *records) add(key, value string) {
	rest := len(key) + len(value) + 3
	length := rest + len(strconv.Itoa(rest))
	if n := rest + len(strconv.Itoa(length)); n > length {
		length = n // it has one more digit by its own digits
	}
	*r = append(strconv.AppendInt(*r, int64(length), 10), ' ')
	*r = append(append(*r, key...), '=')
	*r = append(append(*r, value...), '\n')
}

// The widths of a ustar header's fields, bytes.
const (
	widthName   = 100
	widthNumber = 8
	widthLong   = 12
	widthUser   = 32
)

// append appends the blocks of the header: what its fields cannot hold goes to
// a pax header in front of it, with h.records.
func (h *header) append(b []byte) []byte {
	var more records
	for _, s := range []string{h.name, h.link, h.user, h.group} {
		if !utf8.ValidString(s) {
			more.add("hdrcharset", "BINARY") // holds for what follows
			break
		}
	}
	var block [blockSize]byte
	h.fill(&block, &more)
	more = append(more, h.records...)
	if len(more) > 0 {
		dir, base := path.Split(strings.TrimSuffix(h.name, "/"))
		extended := header{typeflag: typePAX, name: dir + "PaxHeaders.0/" + base, mode: 0o644, size: uint64(len(more))}
		var before [blockSize]byte
		extended.fill(&before, nil)
		b = pad(append(append(b, before[:]...), more...))
	}
	return append(b, block[:]...)
}

// pad fills the last block with zeros.
func pad(b []byte) []byte {
	return append(b, make([]byte, padding(uint64(len(b))))...)
}

// padding is how many bytes the last block of so many lacks.
func padding(size uint64) uint64 { return -size % blockSize }

// fill writes the fields. What does not fit becomes a record, and the field what
// comes closest; more is nil for a header of which nothing but its type and its
// size matters.
func (h *header) fill(block *[blockSize]byte, more *records) {
	rest := block[:]
	next := func(width int) []byte {
		field := rest[:width]
		rest = rest[width:]
		return field
	}
	text := func(width int, key, s string) {
		field := next(width)
		if len(s) <= width && isASCII(s) {
			copy(field, s)
			return
		}
		if more != nil {
			more.add(key, s)
		}
		short := toASCII(s)[:min(len(s), width)]
		if h.typeflag != typeDirectory {
			short = strings.TrimRight(short, "/") // which would mean a directory
		}
		copy(field, short)
	}
	number := func(width int, key string, n uint64) {
		if n >= 1<<(3*(width-1)) {
			if more != nil {
				more.add(key, strconv.FormatUint(n, 10))
			}
			n = 0
		}
		copy(next(width), fmt.Sprintf("%0*o", width-1, n))
	}
	text(widthName, "path", h.name)
	number(widthNumber, "", uint64(h.mode))
	number(widthNumber, "uid", uint64(h.uid))
	number(widthNumber, "gid", uint64(h.gid))
	number(widthLong, "size", h.size)
	seconds := uint64(0)
	if h.mtime.Sec > 0 {
		seconds = min(uint64(h.mtime.Sec), 1<<33-1)
	}
	number(widthLong, "", seconds)
	if more != nil && (h.mtime.Nsec != 0 || h.mtime.Sec != int64(seconds)) {
		more.add("mtime", formatTime(h.mtime))
	}
	checksum := next(widthNumber)
	next(1)[0] = h.typeflag
	text(widthName, "linkpath", h.link)
	copy(next(widthNumber), "ustar\x0000")
	text(widthUser, "uname", h.user)
	text(widthUser, "gname", h.group)
	number(widthNumber, "SCHILY.devmajor", uint64(h.major))
	number(widthNumber, "SCHILY.devminor", uint64(h.minor))
	sum := uint64(widthNumber * ' ') // its own field counts as spaces
	for _, c := range block {
		sum += uint64(c)
	}
	copy(checksum, fmt.Sprintf("%06o\x00 ", sum))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// toASCII replaces bytes that are not ASCII.
func toASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= utf8.RuneSelf {
			b[i] = '_'
		}
	}
	return string(b)
}

// formatTime writes an instant as pax has it: decimal seconds, of which the
// fraction counts away from zero.
func formatTime(t tree.Time) string {
	sec, nsec, sign := t.Sec, t.Nsec, ""
	if sec < 0 {
		sign = "-"
		if nsec > 0 {
			sec, nsec = sec+1, 1e9-nsec
		}
	}
	seconds := strings.TrimPrefix(strconv.FormatInt(sec, 10), "-")
	if nsec == 0 {
		return sign + seconds
	}
	return sign + seconds + strings.TrimRight(fmt.Sprintf(".%09d", nsec), "0")
}
