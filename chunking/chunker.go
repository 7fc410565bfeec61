package chunking

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"math/bits"
)

// Chunker cuts content. It never changes after [New] and is safe for concurrent
// use.
type Chunker struct {
	params Params
	pivot  int // where cuts become likely

	gear    table
	propose uint64 // gear hashes below this are proposals

	decide       cipher.Block
	rare, likely uint64 // a proposal is a cut if its AES is below

	programs *Chunker // nil: none of their own
}

const (
	// window is how many bytes a gear hash depends on.
	window = 64

	// maxSpacing is how many bytes lie between proposals on average, at most.
	// With AES at 27 ns a call that is 7 % of the time; a larger one would save
	// some of it and let each cut tell more about the gear table.
	maxSpacing = 1024

	// normalisation: cuts every 4 avg before the pivot, every avg/4 after it. A
	// byte overwritten or ten inserted in random data cost 1.10 mean chunks then,
	// 1.55 with the same probability everywhere (measured over 3,600 edits).
	normalisation = 4
)

// New returns a chunker with the repository's two chunking keys, which fixed
// chunks ignore. Errors wrap [ErrParams].
func New(p Params, gear [32]byte, cut [16]byte) (*Chunker, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	c := &Chunker{params: p}
	if p.Algorithm == Fixed {
		return c, nil
	}
	c.pivot = max(p.Min, p.Avg/16*13)

	// The thresholds are computed in integers, lest two machines round them
	// differently and share nothing.
	spacing := uint64(maxSpacing)
	for spacing > uint64(p.Avg)/(2*normalisation) {
		spacing /= 2
	}
	c.propose = ratio(1, spacing)
	c.likely = ratio(spacing*normalisation, uint64(p.Avg))
	c.rare = ratio(spacing, uint64(p.Avg)*normalisation)

	var err error
	if c.decide, err = aes.NewCipher(cut[:]); err != nil {
		return nil, err
	}
	if p.Programs != 0 {
		if c.programs, err = New(p.programs(), gear, cut); err != nil {
			return nil, err
		}
	}
	return c, c.gear.derive(gear, c.propose)
}

// ratio returns a/b of 2^64, where a < b.
func ratio(a, b uint64) uint64 {
	q, _ := bits.Div64(a, 0, b)
	return q
}

// Params returns the chunker's parameters.
func (c *Chunker) Params() Params { return c.params }

// For returns the chunker of content that begins with head, which holds HeadSize
// bytes at least or all of the content: of a file from its first byte, whatever
// part of it is to be cut. Its chunks are never larger than c's.
func (c *Chunker) For(head []byte) *Chunker {
	if c.programs != nil && isProgram(head) {
		return c.programs
	}
	return c
}

// HeadSize is how many bytes For looks at.
const HeadSize = 16

// isProgram reports whether content begins like ELF, Mach-O (of any byte order,
// or universal, which a Java class file looks like), PE or a static library: an
// archive, but not the one that a Debian package is.
func isProgram(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	switch binary.BigEndian.Uint32(head) {
	case 0x7f454c46, 0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe, 0xcafebabe:
		return true
	}
	const archive, debian = "!<arch>\n", "debian"
	if rest, ok := bytes.CutPrefix(head, []byte(archive)); ok {
		return !bytes.HasPrefix(rest, []byte(debian))
	}
	return bytes.HasPrefix(head, []byte("MZ"))
}

// Cut returns the length of the first chunk of data, which holds at least Max
// bytes or all that is left: len(data) if that is to be one chunk.
func (c *Chunker) Cut(data []byte) int {
	if len(data) > c.params.Max {
		data = data[:c.params.Max]
	}
	if c.params.Algorithm == Fixed || len(data) <= c.params.Min {
		return len(data)
	}
	at := c.params.Min
	h := c.gear.hash(data[at-window : at])
	rejected := ^uint64(0)          // never a proposal
	var scratch [aes.BlockSize]byte // on the heap, once a chunk: cipher.Block is an interface
	for {
		if h < c.propose && h != rejected {
			// Periodic content proposes the same hash over and over.
			if v := c.verdict(h, scratch[:]); v < c.rare || at >= c.pivot && v < c.likely {
				return at
			} else if v >= c.likely {
				rejected = h
			}
		}
		if at == len(data) {
			return at
		}
		h, at = c.gear.next(h, data, at, c.propose)
	}
}

// verdict is what a hash is judged by: uniform to all without the key. The
// scratch space is one AES block.
func (c *Chunker) verdict(h uint64, scratch []byte) uint64 {
	clear(scratch)
	binary.LittleEndian.PutUint64(scratch, h)
	c.decide.Encrypt(scratch, scratch)
	return binary.LittleEndian.Uint64(scratch)
}
