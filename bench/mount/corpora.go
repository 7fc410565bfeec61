package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"garret/bench/internal/files"
)

// The sizes of the corpora.
const (
	smallFiles   = 20_000
	smallSize    = 4096 // bytes
	manyDirs     = 1_000
	filesPerDir  = 100
	largeDir     = 100_000
	maxText      = 64 << 20 // bytes of program text that the large file is made of
	sectionLines = 200      // and of so many lines each are the pieces that are shuffled
)

// corpus is a directory of files, how it is made, and how it is called.
type corpus struct {
	name, what string
	make       func(ctx context.Context, b *bench, dir string) error
}

// The corpora, each in a repository of its own.
var (
	sources  = &corpus{"tree", "a source tree", copySources}
	small    = &corpus{"small", fmt.Sprintf("%d files of 4 KiB", smallFiles), makeSmall}
	many     = &corpus{"many", fmt.Sprintf("%d files in %d directories", manyDirs*filesPerDir, manyDirs), makeMany}
	oneDir   = &corpus{"large", fmt.Sprintf("one directory of %d files", largeDir), makeLargeDir}
	oneImage = &corpus{"image", "one file of program text", makeImage}
)

func copySources(ctx context.Context, b *bench, dir string) error {
	out, err := exec.CommandContext(ctx, "cp", "-a", b.source+"/.", dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cp -a: %w: %s", err, out)
	}
	_, b.sources, err = files.Count(dir)
	return err
}

// makeSmall writes files in directories of a hundred; half of each is noise, so
// that nothing of it deduplicates and some of it compresses.
func makeSmall(_ context.Context, _ *bench, dir string) error {
	source := rand.NewChaCha8([32]byte{1})
	data := bytes.Repeat([]byte("program text, more or less\n"), smallSize)[:smallSize]
	for i := range smallFiles {
		sub := filepath.Join(dir, fmt.Sprintf("%03d", i/filesPerDir))
		if i%filesPerDir == 0 {
			if err := os.Mkdir(sub, 0o755); err != nil {
				return err
			}
		}
		_, _ = source.Read(data[:smallSize/2]) // never fails
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("file%03d", i%filesPerDir)), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func makeMany(_ context.Context, _ *bench, dir string) error {
	for i := range manyDirs {
		sub := filepath.Join(dir, fmt.Sprintf("directory%03d", i))
		if err := os.Mkdir(sub, 0o755); err != nil {
			return err
		}
		for j := range filesPerDir {
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("file%03d.txt", j)), fmt.Appendf(nil, "%d\n", i*filesPerDir+j), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

func makeLargeDir(_ context.Context, _ *bench, dir string) error {
	for i := range largeDir {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file%06d.txt", i)), fmt.Appendf(nil, "%d\n", i), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// makeImage writes program text whose sections are shuffled anew for each pass
// over it, and numbered: no stretch of a chunk's length occurs twice.
func makeImage(ctx context.Context, b *bench, dir string) error {
	sections, err := b.sections()
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "image"))
	if err != nil {
		return err
	}
	defer f.Close()
	random := rand.New(rand.NewPCG(1, 2))
	var out bytes.Buffer
	for written, want := 0, b.image<<20; written < want; {
		if err := ctx.Err(); err != nil {
			return err
		}
		random.Shuffle(len(sections), func(i, j int) { sections[i], sections[j] = sections[j], sections[i] })
		for i, s := range sections {
			out.Reset()
			fmt.Fprintf(&out, "// section %d of the image, at %d\n", i, written)
			out.Write(s)
			n, err := f.Write(out.Bytes()[:min(out.Len(), want-written)])
			if err != nil {
				return err
			}
			if written += n; written == want {
				break
			}
		}
	}
	return f.Close()
}

// sections cuts the program text below the source into pieces.
func (b *bench) sections() (sections [][]byte, err error) {
	total := 0
	err = filepath.WalkDir(b.source, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".c") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for len(data) > 0 {
			end := 0
			for range sectionLines {
				i := bytes.IndexByte(data[end:], '\n')
				if i < 0 {
					end = len(data)
					break
				}
				end += i + 1
			}
			sections, data = append(sections, data[:end]), data[end:]
			total += end
		}
		if total >= maxText {
			return io.EOF
		}
		return nil
	})
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(sections) == 0 {
		return nil, fmt.Errorf("%s has no program text (.go, .c)", b.source)
	}
	return sections, nil
}
