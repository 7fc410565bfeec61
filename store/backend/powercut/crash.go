package powercut

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Seeds of Crash that do not choose at random.
const (
	LoseAll uint64 = 0 // only what was synced is left
	KeepAll uint64 = 1 // everything has reached the disk
)

// Crash cuts the power, if that has not happened yet, and returns the disk as
// it may be found afterwards; the seed chooses what of the unsynced changes
// has survived. The same state can be crashed again with other seeds.
func (d *FS) Crash(seed uint64) *FS {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
	return survive(d.root, seed)
}

// Clone returns an independent copy of the present state, all of it durable,
// without a hook or a limit. It shares the files' bytes, so it is cheap.
func (d *FS) Clone() *FS {
	d.mu.Lock()
	defer d.mu.Unlock()
	return survive(d.root, KeepAll)
}

func survive(root *folder, seed uint64) *FS {
	c := crash{
		rand:  rand.New(rand.NewPCG(seed, 0)),
		seed:  seed,
		files: make(map[*file]*file),
	}
	fresh := New()
	fresh.root = c.folder(root)
	return fresh
}

// crash is one outcome of a power cut.
type crash struct {
	rand  *rand.Rand
	seed  uint64
	files map[*file]*file // a file with two names survives as one
}

// choose returns a number below n: 0 is the durable state, n-1 the present.
func (c *crash) choose(n int) int {
	switch c.seed {
	case LoseAll:
		return 0
	case KeepAll:
		return n - 1
	}
	return c.rand.IntN(n)
}

func (c *crash) folder(old *folder) *folder {
	names := slices.AppendSeq(old.names(), maps.Keys(old.past))
	slices.Sort(names) // map order must not decide what a seed means
	fresh := newFolder()
	fresh.modified = old.modified
	for _, name := range slices.Compact(names) {
		n := old.entries[name]
		if past := old.past[name]; past != nil {
			n = past[c.choose(len(past))]
		}
		switch n := n.(type) {
		case *folder:
			fresh.entries[name] = c.folder(n)
		case *file:
			fresh.entries[name] = c.file(n)
		}
	}
	return fresh
}

func (c *crash) file(old *file) *file {
	fresh := c.files[old]
	if fresh == nil {
		data := c.bytes(old)
		fresh = &file{data: data, synced: len(data), modified: old.modified}
		c.files[old] = fresh
	}
	return fresh
}

// block is the unit, in bytes, in which written data reaches the disk.
const block = 4096

// bytes returns what is left of a file's content.
func (c *crash) bytes(old *file) []byte {
	size := old.synced + c.choose(len(old.data)-old.synced+1)
	if c.seed > KeepAll && c.rand.IntN(2) == 0 {
		size = len(old.data) // the size survived, whatever the blocks did
	}
	// The capacity keeps appends to either copy away from the other.
	data := old.data[:size:size]
	if size == old.synced || c.seed == KeepAll {
		return data
	}
	data = slices.Clone(data)
	for start := old.synced; start < size; {
		end := min(size, (start/block+1)*block)
		switch c.rand.IntN(3) {
		case 0:
			clear(data[start:end])
		case 1:
			for i := start; i < end; i++ {
				data[i] = byte(c.rand.Uint32())
			}
		}
		start = end
	}
	return data
}
