package mount

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// bigVariable has the long tests take the time that they deserve.
const bigVariable = "GARRET_BIG"

// Sixteen readers at once, on the same and on different files, at random
// offsets, with what the kernel has cached thrown away again and again: every
// byte is right. For two seconds; a minute with GARRET_BIG=1.
func TestConcurrentReaders(t *testing.T) {
	length := 2 * time.Second
	if os.Getenv(bigVariable) == "1" {
		length = time.Minute
	}
	paged := file("paged")
	for i := range 300 { // enough for pages of parts
		paged.pieces = append(paged.pieces, piece{data: noise(uint64(i), 20000+i)})
		if i%50 == 7 {
			paged.pieces = append(paged.pieces, piece{hole: 123457})
		}
	}
	large := file("large", piece{data: noise(1, 1<<20)}, piece{data: noise(2, 2<<20-1)}, piece{hole: 1 << 20}, piece{data: noise(3, 700001)})
	files := []*item{paged, large, text("inline", "in its node")}
	for i := range 200 {
		files = append(files, file(fmt.Sprintf("f%03d", i), piece{data: noise(uint64(1000+i), 1+i*97)}))
	}
	mnt := mountTree(t, dir("", files...), Options{})
	contents := make([][]byte, len(files))
	for i, f := range files {
		contents[i] = f.content()
	}

	end := time.Now().Add(length)
	var wg sync.WaitGroup
	for reader := range 16 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(reader), 1))
			for time.Now().Before(end) {
				i := random.IntN(len(files))
				if random.IntN(3) > 0 {
					i = random.IntN(3) // the large ones are everybody's
				}
				if err := readAtRandom(random, mnt+"/"+files[i].Name, contents[i]); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// readAtRandom opens a file and compares some of its ranges, or all of it, with
// what it holds.
func readAtRandom(random *rand.Rand, path string, want []byte) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if random.IntN(4) == 0 {
		got, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(got, want) {
			return fmt.Errorf("%s: %d bytes differ: %w", path, len(got), err)
		}
	}
	for range 8 {
		buf := make([]byte, 1+random.IntN(200000))
		off := random.IntN(len(want) + 1)
		n, err := f.ReadAt(buf, int64(off))
		if err != nil && err != io.EOF || !bytes.Equal(buf[:n], want[off:min(off+len(buf), len(want))]) {
			return fmt.Errorf("%s: reading %d bytes from %d: %d, %w", path, len(buf), off, n, err)
		}
		if random.IntN(3) == 0 {
			if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
				return err
			}
		}
	}
	return nil
}
