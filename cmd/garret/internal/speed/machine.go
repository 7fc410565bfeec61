package speed

import (
	"context"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"runtime"
	"time"

	"garret/chunking"
	"garret/index"
	"garret/keys"
	"garret/store"
	"garret/store/codec"
	"garret/store/object"
	"garret/store/parity"
)

// Stage is what was measured of one stage.
type Stage struct {
	Name string `json:"stage"`
	// Writing is on the way into a repository, by one thread and then by all;
	// Reading on the way out of it. Either may be empty.
	Writing []Speed `json:"writing,omitempty"`
	Reading []Speed `json:"reading,omitempty"`
	// Ratio is what goes in for each byte that comes out, of compression.
	Ratio float64 `json:"ratio,omitempty"`
}

// stage is what is to be measured.
type stage struct {
	name          string
	times         int // how often an operation does it, if not once
	write, read   func(thread int) (operation, error)
	ratio         func() (float64, error)
	onlyOneThread bool
}

const (
	frameSize = store.DefaultFrameSize
	packSize  = 32 << 20
	// indexRows is the size of the index that is looked into, blobs: of about
	// 100 GB.
	indexRows = 1 << 20
	lookups   = 1000 // in an operation
)

// methods are the ways to compress that are measured: of zstd's levels those
// that differ.
var methods = []string{"lz4", "s2", "zstd,1", "zstd,3", "zstd,7", "zstd,11", "zlib,6", "lzma,6"}

// Machine measures all stages and calls each with every one that is done.
func Machine(ctx context.Context, s *Sample, d time.Duration, each func(Stage) error) error {
	return measureMachine(ctx, s, d, indexRows, each)
}

func measureMachine(ctx context.Context, s *Sample, d time.Duration, rows int, each func(Stage) error) error {
	k, err := keys.Generate(keys.SuiteAES256GCM)
	if err != nil {
		return err
	}
	b := &bench{sample: s, keys: k, rows: rows}
	stages := []stage{
		{name: "chunking", write: b.chunking},
		{name: "blob ids, HMAC-SHA-256", write: b.ids, read: b.ids},
	}
	for _, m := range methods {
		stages = append(stages, b.compression(m))
	}
	stages = append(stages,
		b.encryption(keys.SuiteAES256GCM),
		b.encryption(keys.SuiteChaCha20Poly1305),
		stage{name: "checksum, CRC32C", write: b.checksum, read: b.checksum},
		stage{name: fmt.Sprintf("parity, %d %%", store.DefaultParity), write: b.parity},
		b.all(),
		stage{name: "index, blob that is there", read: b.hit, times: lookups},
		stage{name: "index, blob that is not", write: b.miss, times: lookups},
		stage{name: "key derivation, Argon2id", read: b.derivation, onlyOneThread: true},
	)
	for _, st := range stages {
		done, err := st.measure(ctx, d)
		if err != nil {
			return fmt.Errorf("%s: %w", st.name, err)
		}
		if err := each(done); err != nil {
			return err
		}
	}
	return nil
}

func (st *stage) measure(ctx context.Context, d time.Duration) (done Stage, err error) {
	done.Name = st.name
	for _, way := range []struct {
		prepare func(int) (operation, error)
		speeds  *[]Speed
	}{{st.write, &done.Writing}, {st.read, &done.Reading}} {
		if way.prepare == nil {
			continue
		}
		threads := []int{1, runtime.GOMAXPROCS(0)}
		if st.onlyOneThread || threads[1] == 1 {
			threads = threads[:1]
		}
		for _, n := range threads {
			s, err := measure(ctx, n, d, true, way.prepare)
			if err != nil {
				return done, err
			}
			if st.times > 1 {
				s.Operations *= int64(st.times)
				s.Median /= float64(st.times)
				s.P99 /= float64(st.times)
			}
			*way.speeds = append(*way.speeds, s)
		}
	}
	if st.ratio != nil {
		done.Ratio, err = st.ratio()
	}
	return done, err
}

// bench holds what the stages need.
type bench struct {
	sample *Sample
	keys   *keys.Full
	rows   int // of the index
	index  *index.Segment
}

// frames returns a function that goes round the sample's frames, from a place
// that depends on the thread.
func (b *bench) frames(thread int) func() []byte {
	n := (len(b.sample.Data) + frameSize - 1) / frameSize
	i := thread * n / runtime.GOMAXPROCS(0)
	return func() []byte {
		at := i % n * frameSize
		i++
		return b.sample.Data[at:min(at+frameSize, len(b.sample.Data))]
	}
}

func (b *bench) chunker() (*chunking.Chunker, error) {
	gear, cut := b.keys.ChunkerKeys()
	return chunking.New(chunking.Default(), gear, cut)
}

func (b *bench) chunking(thread int) (operation, error) {
	c, err := b.chunker()
	if err != nil {
		return nil, err
	}
	rest := b.sample.Data[thread*len(b.sample.Data)/runtime.GOMAXPROCS(0):]
	return func() (int, error) {
		if len(rest) == 0 {
			rest = b.sample.Data
		}
		n := c.Cut(rest)
		rest = rest[n:]
		return n, nil
	}, nil
}

// compressed returns the sample's frames as a method stores them, of at least
// one frame and for as long as a second.
func (b *bench) compressed(m codec.Method) (frames []storedFrame, err error) {
	c, err := codec.NewCompressor(m)
	if err != nil {
		return nil, err
	}
	next := b.frames(0)
	begun := time.Now()
	for n := 0; n < len(b.sample.Data) && (n == 0 || time.Since(begun) < time.Second); {
		data := next()
		out, used, err := c.Append(nil, data)
		if err != nil {
			return nil, err
		}
		frames = append(frames, storedFrame{out, used, len(data)})
		n += len(data)
	}
	return frames, nil
}

type storedFrame struct {
	data  []byte // compressed, and sealed where that is measured
	codec codec.Codec
	size  int // of the frame before that, bytes
}

func (b *bench) compression(name string) stage {
	var frames []storedFrame // once compressed
	ready := func() error {
		if frames != nil {
			return nil
		}
		m, err := codec.ParseMethod(name)
		if err == nil {
			frames, err = b.compressed(m)
		}
		return err
	}
	return stage{
		name: "compression, " + name,
		write: func(thread int) (operation, error) {
			m, err := codec.ParseMethod(name)
			if err != nil {
				return nil, err
			}
			c, err := codec.NewCompressor(m)
			if err != nil {
				return nil, err
			}
			next := b.frames(thread)
			var out []byte
			return func() (int, error) {
				data := next()
				var err error
				out, _, err = c.Append(out[:0], data)
				return len(data), err
			}, nil
		},
		read: func(thread int) (operation, error) {
			if err := ready(); err != nil {
				return nil, err
			}
			i := thread
			out := make([]byte, frameSize+codec.Slack)
			return func() (int, error) {
				f := frames[i%len(frames)]
				i++
				return f.size, codec.Decompress(f.codec, out[:f.size], f.data)
			}, nil
		},
		ratio: func() (float64, error) {
			if err := ready(); err != nil {
				return 0, err
			}
			in, out := 0, 0
			for _, f := range frames {
				in, out = in+f.size, out+len(f.data)
			}
			return float64(in) / float64(out), nil
		},
	}
}

// packID is of the pack that everything here is in.
var packID = [16]byte{1}

// sealer encrypts and decrypts frames. That all have one nonce makes it neither
// faster nor slower.
type sealer struct {
	aead  cipher.AEAD
	nonce [12]byte
}

func newSealer(suite keys.Suite) (*sealer, error) {
	k, err := keys.Generate(suite)
	if err != nil {
		return nil, err
	}
	s, err := k.NewSession()
	if err != nil {
		return nil, err
	}
	aead, err := s.PackAEAD(packID, uint8(index.Data))
	return &sealer{aead, keys.Nonce(0)}, err
}

func (s *sealer) seal(dst, data []byte) []byte { return s.aead.Seal(dst, s.nonce[:], data, nil) }

func (s *sealer) open(dst, sealed []byte) ([]byte, error) {
	return s.aead.Open(dst, s.nonce[:], sealed, nil)
}

func (b *bench) encryption(suite keys.Suite) stage {
	return stage{
		name: "encryption, " + suite.String(),
		write: func(thread int) (operation, error) {
			s, err := newSealer(suite)
			next := b.frames(thread)
			out := make([]byte, 0, frameSize+64)
			return func() (int, error) {
				data := next()
				s.seal(out, data)
				return len(data), nil
			}, err
		},
		read: func(thread int) (operation, error) {
			s, err := newSealer(suite)
			if err != nil {
				return nil, err
			}
			sealed := s.seal(nil, b.frames(thread)())
			out := make([]byte, 0, frameSize)
			return func() (int, error) {
				plain, err := s.open(out, sealed)
				return len(plain), err
			}, nil
		},
	}
}

func (b *bench) checksum(thread int) (operation, error) {
	next := b.frames(thread)
	return func() (int, error) {
		data := next()
		crc32.Checksum(data, object.Castagnoli)
		return len(data), nil
	}, nil
}

func (b *bench) parity(thread int) (operation, error) {
	pack := b.sample.Data[:min(packSize, len(b.sample.Data))]
	var out []byte
	return func() (n int, err error) {
		out, err = parity.Encode(parity.Params{Of: object.Pack, ID: packID, Percent: store.DefaultParity}, pack, out[:0])
		return len(pack), err
	}, nil
}

// all is what each byte of file content goes through with a new repository's
// options, one stage after the other, and back.
func (b *bench) all() stage {
	return stage{name: "all of that, as by default", write: b.write, read: b.read}
}

func (b *bench) write(thread int) (operation, error) {
	chunker, err := b.chunker()
	if err != nil {
		return nil, err
	}
	compressor, err := codec.NewCompressor(codec.Default)
	if err != nil {
		return nil, err
	}
	s, err := newSealer(b.keys.Suite())
	next, h := b.frames(thread), hasher{mac: b.keys.Hasher(false)}
	var out []byte
	return func() (int, error) {
		data := next()
		for rest := data; len(rest) > 0; {
			n := chunker.Cut(rest)
			h.add(rest[:n])
			rest = rest[n:]
		}
		h.flush()
		var err error
		if out, _, err = compressor.Append(out[:0], data); err != nil {
			return 0, err
		}
		out = s.seal(out[:0], out)
		crc32.Checksum(out, object.Castagnoli)
		return len(data), nil
	}, err
}

// readFrames is how many frames a reader goes round.
const readFrames = 16

func (b *bench) read(thread int) (operation, error) {
	compressor, err := codec.NewCompressor(codec.Default)
	if err != nil {
		return nil, err
	}
	s, err := newSealer(b.keys.Suite())
	if err != nil {
		return nil, err
	}
	var frames [readFrames]storedFrame
	next := b.frames(thread)
	for i := range frames {
		data := next()
		stored, used, err := compressor.Append(nil, data)
		if err != nil {
			return nil, err
		}
		frames[i] = storedFrame{s.seal(nil, stored), used, len(data)}
	}
	h := hasher{mac: b.keys.Hasher(false)}
	var opened []byte
	out, i := make([]byte, frameSize+codec.Slack), 0
	return func() (int, error) {
		f := frames[i%readFrames]
		i++
		var err error
		if opened, err = s.open(opened[:0], f.data); err == nil {
			err = codec.Decompress(f.codec, out[:f.size], opened)
		}
		h.pieces(out[:f.size])
		return f.size, err
	}, nil
}

// segment makes an index of random blobs, once.
func (b *bench) segment() (*index.Segment, error) {
	if b.index != nil {
		return b.index, nil
	}
	builder := index.NewBuilder()
	var pack uint32
	for i := range b.rows {
		if i%500 == 0 {
			var id index.PackID
			binary.LittleEndian.PutUint64(id[:], uint64(i))
			pack = builder.AddPack(index.Pack{ID: id, Size: packSize, Kind: index.Data}, index.Session{})
		}
		builder.Add(blobID(i), pack, uint32(i), 1000, uint16(i), 0)
	}
	r, w := io.Pipe()
	go func() {
		_, err := builder.WriteTo(w)
		w.CloseWithError(err)
	}()
	data, err := io.ReadAll(r)
	if err == nil {
		b.index, err = index.Parse(data)
	}
	return b.index, err
}

// blobID returns the i-th of the index's blobs.
func blobID(i int) (id index.ID) {
	r := rand.NewPCG(uint64(i), 5)
	for at := 0; at < len(id); at += 8 {
		binary.LittleEndian.PutUint64(id[at:], r.Uint64())
	}
	return id
}

// lookup looks up blobs, so many at a time.
func (b *bench) lookup(thread, first int, want bool) (operation, error) {
	segment, err := b.segment()
	if err != nil {
		return nil, err
	}
	set := index.NewSet(segment)
	r := rand.New(rand.NewPCG(uint64(thread), 6))
	ids := make([]index.ID, 1<<16)
	for i := range ids {
		ids[i] = blobID(first + r.IntN(b.rows))
	}
	at := 0
	return func() (int, error) {
		for range lookups {
			if set.Has(ids[at%len(ids)]) != want {
				return 0, fmt.Errorf("the index is wrong about blob %v", ids[at%len(ids)])
			}
			at++
		}
		return 0, nil
	}, nil
}

func (b *bench) hit(thread int) (operation, error)  { return b.lookup(thread, 0, true) }
func (b *bench) miss(thread int) (operation, error) { return b.lookup(thread, b.rows, false) }

// derivation opens a key slot, as every command does.
func (b *bench) derivation(int) (operation, error) {
	pass := keys.Passphrase("benchmark")
	slot, _, err := b.keys.NewSlot("", pass, b.keys.Suite().DefaultKDF())
	if err != nil {
		return nil, err
	}
	return func() (int, error) {
		_, err := keys.OpenFullSlot(slot, pass)
		return 0, err
	}, nil
}
