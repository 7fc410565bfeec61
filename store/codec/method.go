package codec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Codec is the byte that names how a frame's payload is stored: a codec, and
// in the upper four bits the filter that was applied before it.
type Codec uint8

// The codecs.
const (
	None Codec = iota
	LZ4
	S2
	Zstd
	Zlib
	LZMA
	numCodecs
)

// The filters.
const (
	X86     Codec = 1 << 4
	filters Codec = 0xf0
)

var names = [numCodecs]string{"none", "lz4", "s2", "zstd", "zlib", "lzma"}

func (c Codec) String() string {
	if c&filters == X86 {
		return (c &^ filters).String() + " after the x86 filter"
	}
	if c < numCodecs {
		return names[c]
	}
	return fmt.Sprintf("codec(%d)", uint8(c))
}

// levels gives each codec's lowest, highest and default level; 0, 0, 0 for
// codecs without levels.
var levels = [numCodecs]struct{ min, max, def int }{
	Zstd: {1, 22, 3},
	Zlib: {1, 9, 6},
	LZMA: {1, 9, 6},
}

// Method is what a user asks for: a codec and level, and whether frames that
// look incompressible are stored as they are without trying.
type Method struct {
	Codec Codec
	Level int
	Auto  bool
}

// Default is zstd at its default level after a quick look.
var Default = Method{Codec: Zstd, Level: levels[Zstd].def, Auto: true}

// ErrMethod is wrapped by what ParseMethod returns.
var ErrMethod = errors.New("compression is none, lz4, s2, zstd[,1-22], zlib[,1-9], lzma[,1-9], auto, or auto, and one of these")

// ParseMethod reads "auto", "zstd", "zstd,7", "auto,lzma,6" and the like, as
// BorgBackup writes them.
func ParseMethod(s string) (Method, error) {
	if s == "auto" {
		return Default, nil
	}
	rest, auto := strings.CutPrefix(s, "auto,")
	name, level, hasLevel := strings.Cut(rest, ",")
	for c, n := range names {
		if n != name {
			continue
		}
		m := Method{Codec: Codec(c), Level: levels[c].def, Auto: auto}
		if !hasLevel {
			return m, nil
		}
		l, err := strconv.Atoi(level)
		if err != nil || l < levels[c].min || l > levels[c].max || levels[c].max == 0 {
			return Method{}, fmt.Errorf("level %q in %q: %w", level, s, ErrMethod)
		}
		m.Level = l
		return m, nil
	}
	return Method{}, fmt.Errorf("%q: %w", s, ErrMethod)
}

// String writes the method so that ParseMethod reads it.
func (m Method) String() string {
	s := m.Codec.String()
	if m.Level != 0 {
		s += "," + strconv.Itoa(m.Level)
	}
	if m.Auto {
		s = "auto," + s
	}
	return s
}

// MarshalText and UnmarshalText let a Method stand in JSON and on a command
// line.
func (m Method) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what ParseMethod reads.
func (m *Method) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMethod(string(text))
	return err
}
