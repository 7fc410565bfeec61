package snapshot

import (
	"context"
	"crypto/sha256"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"garret/chunking"
	"garret/fs/source"
	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/fs/view"
	"garret/index"
)

// sinkStore hashes as a repository does, copies data as it must, and keeps
// nothing but IDs: what is measured is the pipeline.
type sinkStore struct {
	mu   sync.RWMutex
	have map[index.ID]bool
	buf  []byte
}

func (s *sinkStore) ID(_ index.Kind, data []byte) index.ID { return sha256.Sum256(data) }

func (s *sinkStore) IDs(kind index.Kind, ids []index.ID, blobs [][]byte) {
	for i, blob := range blobs {
		ids[i] = s.ID(kind, blob)
	}
}

func (s *sinkStore) Has(_ index.Kind, id index.ID) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.have[id]
}

func (s *sinkStore) Put(_ context.Context, _ index.Kind, id index.ID, data []byte) (bool, error) {
	if s.Has(0, id) {
		return false, nil
	}
	s.buf = append(s.buf[:0], data...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.have[id] = true
	return true, nil
}

func (s *sinkStore) PutPart(ctx context.Context, id index.ID, data []byte) (bool, error) {
	return s.Put(ctx, index.Data, id, data)
}

func benchOptions(b *testing.B, dir string) Options {
	return Options{Store: &sinkStore{have: map[index.ID]bool{}}, Chunker: testChunker(b, chunking.Default()),
		Sources: []string{dir}, Root: dir}
}

// goSource is the tree of small files that the benchmarks store: Go's own.
func goSource(b *testing.B) string {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(string(out)) + "/src"
}

// BenchmarkWalk is the first stage alone.
func BenchmarkWalk(b *testing.B) {
	o := benchOptions(b, goSource(b))
	p, err := newPlan(o.Sources, o.Root, false)
	if err != nil {
		b.Fatal(err)
	}
	var n uint64
	for b.Loop() {
		handles := source.NewHandles(maxHandles)
		c := &counter{p: &Progress{}}
		if err := newScanner(&o, p, source.SystemAccounts(), handles, c).run(context.Background()); err != nil {
			b.Fatal(err)
		}
		handles.Close()
		n += c.p.TotalEntries.Load()
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
}

func report(b *testing.B, r *Result) {
	s := r.Stats
	b.SetBytes(int64(s.BytesTotal))
	b.ReportMetric(float64(s.Files+s.Dirs+s.Others)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkFirst stores a tree of small files for the first time.
func BenchmarkFirst(b *testing.B) {
	o := benchOptions(b, goSource(b))
	b.ReportAllocs()
	var last *Result
	for b.Loop() {
		o.Store = &sinkStore{have: map[index.ID]bool{}}
		r, err := Run(context.Background(), o)
		if err != nil {
			b.Fatal(err)
		}
		last = r
	}
	report(b, last)
}

// BenchmarkUnchanged stores it again.
func BenchmarkUnchanged(b *testing.B) {
	o := benchOptions(b, goSource(b))
	store := treetest.New()
	o.Store = store
	r, err := Run(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		// As in a new process: no page is parsed yet.
		o.Parent = &Parent{Tree: view.New(store, r.Root, view.Options{}), Started: time.Now().Add(time.Hour), Devices: r.Devices}
		if r, err = Run(context.Background(), o); err != nil {
			b.Fatal(err)
		}
		if r.Stats.FilesRead != 0 {
			b.Fatal(r.Stats.FilesRead, " files read")
		}
	}
	report(b, r)
}

// BenchmarkLarge stores one large file.
func BenchmarkLarge(b *testing.B) {
	dir := b.TempDir()
	f, err := os.Create(dir + "/large")
	if err != nil {
		b.Fatal(err)
	}
	for i := range 512 {
		if _, err := f.Write(noise(uint64(i), 1<<20)); err != nil {
			b.Fatal(err)
		}
	}
	f.Close()
	o := benchOptions(b, dir)
	var last *Result
	for b.Loop() {
		o.Store = &sinkStore{have: map[index.ID]bool{}}
		if last, err = Run(context.Background(), o); err != nil {
			b.Fatal(err)
		}
	}
	report(b, last)
}

var _ interface {
	Store
	tree.Loader
} = (*treetest.Store)(nil)
