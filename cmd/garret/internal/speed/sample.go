package speed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// Sample is what the stages are measured with.
type Sample struct {
	Data []byte
	// Files is how many files the bytes are of, 0 when they are made up.
	Files int
}

const (
	// sampleSize is the most that a sample holds, bytes: more than any cache of
	// a processor.
	sampleSize = 64 << 20
	// maxPiece is how much of a file is taken at once, bytes.
	maxPiece = 8 << 20
)

// errNoData says that there is nothing to measure with.
var errNoData = errors.New("there are no files with content")

// Generate makes a sample up: lines of words, of which some are frequent, that
// compress about as well as source code does, always the same.
func Generate() *Sample {
	r := rand.New(rand.NewPCG(1, 2))
	words := make([]string, 8192)
	for i := range words {
		word := make([]byte, 2+r.IntN(10))
		for j := range word {
			word[j] = byte('a' + r.IntN(26))
		}
		words[i] = string(word)
	}
	zipf := rand.NewZipf(r, 1.1, 4, uint64(len(words)-1))
	data := make([]byte, 0, sampleSize+256)
	type span struct{ start, end int }
	var recent [512]span // lines
	for len(data) < sampleSize {
		i, begun := r.IntN(len(recent)), len(data)
		if again := recent[i]; again.end > 0 && r.IntN(3) == 0 {
			data = append(data, data[again.start:again.end]...)
			continue
		}
		for range 4 + r.IntN(10) {
			data = append(data, words[zipf.Uint64()]...)
			data = append(data, " \t.,=(;"[min(r.IntN(20), 6)])
		}
		data = append(data, '\n')
		recent[i] = span{begun, len(data)}
	}
	return &Sample{Data: data[:sampleSize]}
}

// piece is a part of a file.
type piece struct {
	path string
	off  int64
	size int64
}

// Load takes a sample of a file, or of the files below a directory: pieces that
// are picked at random, the same ones each time.
func Load(ctx context.Context, path string) (*Sample, error) {
	pieces, err := list(ctx, path)
	if err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(3, 4))
	r.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
	total := int64(0)
	for i, p := range pieces {
		if total += p.size; total >= sampleSize {
			pieces = pieces[:i+1]
			break
		}
	}
	// In a walk's order: neighbours are alike.
	slices.SortFunc(pieces, func(a, b piece) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.off, b.off))
	})
	s := &Sample{Data: make([]byte, 0, min(total, sampleSize))}
	for i, p := range pieces {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if i == 0 || pieces[i-1].path != p.path {
			s.Files++
		}
		s.add(p)
	}
	if len(s.Data) == 0 {
		return nil, fmt.Errorf("%s: %w", path, errNoData)
	}
	return s, nil
}

// list returns all pieces of the files below path.
func list(ctx context.Context, path string) (pieces []piece, err error) {
	err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err != nil && name == path {
			return err
		}
		if err != nil || !d.Type().IsRegular() {
			return nil // a sample need not be complete
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		for off := int64(0); off < info.Size(); off += maxPiece {
			pieces = append(pieces, piece{name, off, min(maxPiece, info.Size()-off)})
		}
		return nil
	})
	return pieces, err
}

// add reads a piece. A file that cannot be read is not in the sample.
func (s *Sample) add(p piece) {
	f, err := os.Open(p.path)
	if err != nil {
		return
	}
	defer f.Close()
	had := len(s.Data)
	room := s.Data[had:min(had+int(p.size), cap(s.Data))]
	n, _ := f.ReadAt(room, p.off)
	s.Data = s.Data[:had+n]
}
