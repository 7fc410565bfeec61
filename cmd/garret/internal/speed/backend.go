package speed

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"time"

	"garret/store"
	"garret/store/backend"
)

// Operation is what was measured of one operation of a backend.
type Operation struct {
	Name string `json:"operation"`
	// Size is of each object or range, bytes; 0 where that says nothing.
	Size int64 `json:"size,omitempty"`
	Speed
}

const (
	folder = store.BenchmarkFolder
	// packs is how many of a pack's size there are at most, so that no more than
	// 256 MiB lie in the repository.
	packs     = 8
	smallSize = 4 << 10
	rangeSize = 256 << 10 // about what a frame is when it is compressed
	// A run's objects are nobody's, and of a run that was killed, when so much
	// time has passed: that long for what is slow, and as many times what each
	// measurement takes as no run has of them.
	staleAfter, staleTimes = 10 * time.Minute, 30
	timeFormat             = "20060102150405"
	// parallel is how many packs are written or read at a time where several
	// are, as snapshots and restores do.
	parallel = 4
)

// place measures one backend.
type place struct {
	b    backend.Backend
	name string // begins the names of this run's objects
	d    time.Duration
	pack int // size of a pack, bytes
	each func(Operation) error

	mu      sync.Mutex
	present map[string]head // this run's objects
}

// head is an object's first bytes, which no other object has.
type head [32]byte

// Backend measures the operations of b, calls each with every one, and removes
// what it has stored there, also when ctx ends. It removes as well what runs
// that were killed have left.
func Backend(ctx context.Context, b backend.Backend, d time.Duration, each func(Operation) error) error {
	return measureBackend(ctx, b, d, packSize, each)
}

func measureBackend(ctx context.Context, b backend.Backend, d time.Duration, pack int, each func(Operation) error) (err error) {
	var random [6]byte
	rand.Read(random[:]) // never fails
	p := &place{
		b: b, d: d, pack: pack, each: each, present: make(map[string]head),
		name: folder + "/" + time.Now().Add(staleAfter+staleTimes*d).UTC().Format(timeFormat) + "-" + hex.EncodeToString(random[:]) + "-",
	}
	if err := p.removeStale(ctx); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, p.clean(context.WithoutCancel(ctx)))
	}()
	for _, step := range []func(context.Context) error{
		p.putSmall, p.readSmall, p.size, p.list, p.deleteSmall,
		p.putPacks, p.readRanges, p.readPacks,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// removeStale deletes objects whose names say that they are nobody's by now.
func (p *place) removeStale(ctx context.Context) error {
	var old []string
	err := p.b.List(ctx, folder, func(e backend.Entry) error {
		until, _, _ := strings.Cut(strings.TrimPrefix(e.Name, folder+"/"), "-")
		if t, err := time.Parse(timeFormat, until); err == nil && time.Now().After(t) {
			old = append(old, e.Name)
		}
		return nil
	})
	for _, name := range old {
		if err == nil {
			err = p.delete(ctx, name)
		}
	}
	return err
}

func (p *place) clean(ctx context.Context) (first error) {
	for name := range p.present {
		if err := p.delete(ctx, name); err != nil && first == nil {
			first = fmt.Errorf("%s is left behind: %w", name, err)
		}
	}
	return first
}

func (p *place) delete(ctx context.Context, name string) error {
	err := p.b.Delete(ctx, name)
	if errors.Is(err, backend.ErrNotExist) {
		return nil
	}
	return err
}

// run measures an operation on that many threads; bytes are counted where they
// are what matters.
func (p *place) run(ctx context.Context, name string, size int64, threads int, op func(thread, i int) error) error {
	s, err := measure(ctx, threads, p.d, false, func(thread int) (operation, error) {
		i := 0
		return func() (int, error) {
			err := op(thread, i)
			i++
			return int(size), err
		}, nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return p.each(Operation{Name: name, Size: size, Speed: s})
}

// put stores data, whose head is made anew.
func (p *place) put(ctx context.Context, name string, data []byte) error {
	rand.Read(data[:len(head{})])
	p.mu.Lock()
	p.present[name] = head(data) // also if it will be only half there
	p.mu.Unlock()
	return p.b.Put(ctx, name, data)
}

// read reads a whole object into buf.
func (p *place) read(ctx context.Context, name string, buf []byte) error {
	if _, err := p.b.ReadAt(ctx, name, buf, 0); err != nil {
		return err
	}
	if head(buf) != p.present[name] {
		return fmt.Errorf("%s comes back as another object than was put", name)
	}
	return nil
}

func (p *place) smallName(i int) string { return fmt.Sprintf("%ss%d", p.name, i) }
func (p *place) packName(i int) string  { return fmt.Sprintf("%sp%d", p.name, i) }

// maxSmall is how many small objects there are at most.
const maxSmall = 2000

func (p *place) putSmall(ctx context.Context) error {
	data := make([]byte, smallSize)
	rand.Read(data)
	return p.run(ctx, "put", smallSize, 1, func(_, i int) error {
		if i == maxSmall {
			return errDone
		}
		return p.put(ctx, p.smallName(i), data)
	})
}

func (p *place) readSmall(ctx context.Context) error {
	n, buf := len(p.present), make([]byte, smallSize)
	return p.run(ctx, "read", smallSize, 1, func(_, i int) error {
		return p.read(ctx, p.smallName(i%n), buf)
	})
}

func (p *place) size(ctx context.Context) error {
	n := len(p.present)
	return p.run(ctx, "size", 0, 1, func(_, i int) error {
		_, err := p.b.Size(ctx, p.smallName(i%n))
		return err
	})
}

func (p *place) list(ctx context.Context) error {
	n := len(p.present)
	return p.run(ctx, fmt.Sprintf("list %d objects", n), 0, 1, func(_, _ int) error {
		found := 0
		err := p.b.List(ctx, folder, func(e backend.Entry) error {
			if strings.HasPrefix(e.Name, p.name) {
				found++
			}
			return nil
		})
		if err == nil && found != n {
			err = fmt.Errorf("%d objects are listed, not %d", found, n)
		}
		return err
	})
}

func (p *place) deleteSmall(ctx context.Context) error {
	n := len(p.present)
	return p.run(ctx, "delete", 0, 1, func(_, i int) error {
		if i == n {
			return errDone
		}
		name := p.smallName(i)
		err := p.b.Delete(ctx, name)
		if err == nil {
			delete(p.present, name)
		}
		return err
	})
}

func (p *place) putPacks(ctx context.Context) error {
	for _, threads := range []int{1, parallel} {
		data := make([][]byte, threads)
		for i := range data {
			data[i] = make([]byte, p.pack)
			rand.Read(data[i])
		}
		if err := p.run(ctx, "put", int64(p.pack), threads, func(thread, i int) error {
			return p.put(ctx, p.packName((i*threads+thread)%packs), data[thread])
		}); err != nil {
			return err
		}
	}
	return nil
}

// ranges are places in the packs in a random order, each of them once: what was
// read before may be answered from a cache.
func (p *place) ranges() (all []rangeOf) {
	for i := range packs {
		if name := p.packName(i); p.present[name] != (head{}) {
			for off := int64(0); off < int64(p.pack); off += rangeSize {
				all = append(all, rangeOf{name, off})
			}
		}
	}
	mathrand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

type rangeOf struct {
	name string
	off  int64
}

func (p *place) readRanges(ctx context.Context) error {
	all := p.ranges()
	for _, threads := range []int{1, parallel} {
		half := all[:len(all)/2]
		all = all[len(all)/2:]
		bufs := make([][]byte, threads)
		for i := range bufs {
			bufs[i] = make([]byte, rangeSize)
		}
		if err := p.run(ctx, "read a range", rangeSize, threads, func(thread, i int) error {
			at := i*threads + thread
			if at >= len(half) {
				return errDone
			}
			_, err := p.b.ReadAt(ctx, half[at].name, bufs[thread], half[at].off)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

func (p *place) readPacks(ctx context.Context) error {
	n, buf := len(p.present), make([]byte, p.pack)
	return p.run(ctx, "read", int64(p.pack), 1, func(_, i int) error {
		return p.read(ctx, p.packName(i%n), buf)
	})
}
