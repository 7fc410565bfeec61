package restore

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/index"
)

// largeFile is a file in which every sixteenth chunk is no hole.
func largeFile(t *testing.T, size int) *fixture {
	t.Helper()
	data := make([]byte, size)
	for at := 0; at < len(data); at += 16 * chunk {
		copy(data[at:at+chunk], noise(byte(at/(16*chunk)), chunk))
	}
	return build(t, treetest.Dir("", with(treetest.File("file", string(data)), func(n *tree.Node) {
		n.Mode, n.Xattrs = 0o640, []tree.Xattr{{Name: "user.x", Value: []byte("y")}}
	})))
}

// reusing skips a test where files cannot be changed in place.
func reusing(t *testing.T) (dest string) {
	t.Helper()
	dest = t.TempDir()
	f, err := os.Create(dest + "/probe")
	must(t, err)
	defer os.Remove(f.Name())
	defer f.Close()
	if !alone(int(f.Fd())) || unix.Fsetxattr(int(f.Fd()), unfinished, nil, 0) != nil {
		t.Skip("the file system has no leases, or no attributes")
	}
	return dest
}

func over(f *fixture, dest string, how Overwrite) (Options, *[]warning) {
	o, warnings := f.options(dest)
	o.Overwrite, o.Hasher = how, f.store
	return o, warnings
}

func writeAt(path string, b []byte, at int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, at)
	return errors.Join(err, f.Close())
}

// Of a large file only what differs is read and written; what else could tell
// that it was not made anew is as if it had been.
func TestChangedInPlace(t *testing.T) {
	const stride = 16 * chunk
	f := largeFile(t, 64<<20)
	for i, test := range []struct {
		name    string
		change  func(path string) error
		written uint64 // bytes
		loads   int    // of chunks
	}{
		{"nothing", func(string) error { return nil }, 0, 0},
		{"three chunks", func(p string) error {
			return errors.Join(writeAt(p, noise(100, chunk), 0), writeAt(p, noise(101, chunk), 5*stride), writeAt(p, noise(102, chunk), 63*stride))
		}, 3 * chunk, 3},
		{"a few bytes", func(p string) error { return writeAt(p, []byte("other"), 7*stride+2*blockBytes-2) }, 2 * blockBytes, 1},
		{"a filled hole", func(p string) error { return writeAt(p, noise(100, 3*chunk), 3*stride+5*chunk) }, 0, 0},
		{"a hole more", func(p string) error { return writeAt(p, make([]byte, chunk), 9*stride) }, chunk, 1},
		{"longer", func(p string) error { return writeAt(p, noise(100, 5<<20+3), 64<<20) }, 0, 0},
		{"shorter", func(p string) error { return os.Truncate(p, 61*stride+100) }, 3 * chunk, 3},
		{"a hole more at the end", func(p string) error { return errors.Join(os.Truncate(p, 60*stride), os.Truncate(p, 70<<20)) }, 4 * chunk, 4},
		{"attributes", func(p string) error {
			return errors.Join(unix.Setxattr(p, "user.more", []byte("z"), 0), unix.Setxattr(p, "user.x", []byte("z"), 0), os.Chmod(p, 0o600))
		}, 0, 0},
	} {
		how := []Overwrite{Replace, ReplaceChanged, ReplaceOlder}[i%3] // they do not differ in this
		dest := reusing(t)
		path := dest + "/file"
		f.restore(t, dest)
		must(t, test.change(path))
		old := unix.Timespec{Sec: 1000}
		must(t, unix.UtimesNano(path, []unix.Timespec{old, old}))
		var before, after unix.Stat_t
		must(t, unix.Stat(path, &before))
		loads := f.store.Stats().Loads
		o, warnings := over(f, dest, how)
		o.Progress = new(Progress)
		stats, err := Run(context.Background(), o)
		if err != nil || len(*warnings) > 0 {
			t.Fatal(err, *warnings)
		}
		must(t, unix.Stat(path, &after))
		if after.Ino != before.Ino {
			t.Errorf("%s, %v: it was replaced", test.name, how)
		}
		if loads = f.store.Stats().Loads - loads; stats.Written != test.written || stats.Unchanged != 64*chunk-test.written || loads != test.loads {
			t.Errorf("%s, %v: %d chunks read, want %d; %d bytes written, want %d; %d unchanged", test.name, how,
				loads, test.loads, stats.Written, test.written, stats.Unchanged)
		}
		if o.Progress.Bytes.Load() != 64<<20 || stats.Files != 1 {
			t.Errorf("%s: progress %d, %+v", test.name, o.Progress.Bytes.Load(), stats)
		}
		check(t, path, f.specOf("file"))
	}
}

// Where somebody could notice the change, the file is replaced: other names,
// and whoever has it open, keep what they have.
func TestNotInPlace(t *testing.T) {
	const size = 20 << 20
	f := largeFile(t, size)
	for _, test := range []struct {
		name   string
		change func(path, other string) error
		set    func(o *Options)
	}{
		{name: "another name", change: os.Link},
		{name: "more may read it", change: func(p, _ string) error { return os.Chmod(p, 0o644) }},
		{name: "others may write to it", change: func(p, _ string) error { return os.Chmod(p, 0o602) }},
		{name: "another ACL", change: func(p, _ string) error { return unix.Setxattr(p, aclAccess, acl(1000, 4), 0) }},
		{name: "a symlink", change: func(p, other string) error { return errors.Join(os.Rename(p, other), os.Symlink("other", p)) }},
		{name: "a small one", change: func(p, _ string) error { return os.Truncate(p, 16<<20) }},
		{name: "no hasher", set: func(o *Options) { o.Hasher = nil }},
		{name: "what is damaged is skipped", set: func(o *Options) { o.Damaged = Skip }},
		{name: "holes get blocks", set: func(o *Options) { o.Allocate = true }},
	} {
		dest := reusing(t)
		path, other := dest+"/file", dest+"/other"
		f.restore(t, dest)
		must(t, writeAt(path, []byte("changed"), 0))
		if test.change != nil {
			must(t, test.change(path, other))
		}
		var before, after unix.Stat_t
		must(t, unix.Lstat(path, &before))
		o, warnings := over(f, dest, Replace)
		if test.set != nil {
			test.set(&o)
		}
		stats, err := Run(context.Background(), o)
		if err != nil || len(*warnings) > 0 {
			t.Fatal(err, *warnings)
		}
		must(t, unix.Lstat(path, &after))
		same := before.Mode&unix.S_IFMT == unix.S_IFREG && after.Ino == before.Ino
		if same || stats.Written != size/16 || stats.Unchanged != 0 {
			t.Errorf("%s: changed in place: %+v", test.name, stats)
		}
		if !o.Allocate {
			check(t, path, f.specOf("file"))
		}
		if got, err := os.ReadFile(other); err == nil && !bytes.HasPrefix(got, []byte("changed")) {
			t.Errorf("%s: the other file was changed", test.name)
		}
	}

	dest := reusing(t)
	f.restore(t, dest)
	must(t, writeAt(dest+"/file", []byte("changed"), 0))
	fd, err := unix.Open(dest+"/file", unix.O_RDONLY, 0)
	must(t, err)
	mapped, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE)
	must(t, err)
	defer unix.Munmap(mapped)
	unix.Close(fd)
	o, _ := over(f, dest, Replace)
	if _, err := Run(context.Background(), o); err != nil || string(mapped[:7]) != "changed" {
		t.Errorf("a program that has it mapped sees %q, %v", mapped[:7], err)
	}
	check(t, dest+"/file", f.specOf("file"))
}

// A run that was interrupted while it changed a file leaves one that nobody
// takes for whole, and that the next run goes on with.
func TestInPlaceInterrupted(t *testing.T) {
	f := largeFile(t, 64<<20)
	for _, how := range []Overwrite{Replace, ReplaceChanged, ReplaceOlder} {
		dest := reusing(t)
		path := dest + "/file"
		f.restore(t, dest)
		for at := int64(0); at < 64<<20; at += 16 * chunk {
			must(t, writeAt(path, []byte("changed"), at))
		}
		var before, after unix.Stat_t
		must(t, unix.Stat(path, &before))
		ctx, cancel := context.WithCancel(context.Background())
		o, _ := over(f, dest, Replace)
		o.Loader = &hookLoader{Loader: f.store, at: 40, hook: cancel}
		first, err := Run(ctx, o)
		if err != context.Canceled {
			t.Fatal(err)
		}
		must(t, unix.Stat(path, &after))
		want := f.specOf("file").ModTime
		if after.Ino != before.Ino || after.Mode&0o777 != 0o600 || !marked(path) ||
			after.Mtim.Sec == want.Sec && after.Mtim.Nsec == int64(want.Nsec) {
			t.Errorf("%v: interrupted, it looks whole: %+v", how, after)
		}
		o, warnings := over(f, dest, how)
		stats, err := Run(context.Background(), o)
		if err != nil || len(*warnings) > 0 {
			t.Fatal(err, *warnings)
		}
		if first.Written == 0 || stats.Kept != 0 || first.Written+stats.Written != 64*blockBytes {
			t.Errorf("%v: the first run wrote %d bytes, the second %+v", how, first.Written, stats)
		}
		check(t, path, f.specOf("file"))
	}
}

func marked(path string) bool {
	_, err := unix.Lgetxattr(path, unfinished, nil)
	return err == nil
}

// What is lost in the repository and still there on the disk is not lost; what
// is lost and different becomes zeros or, with KeepOld, stays what it was.
func TestInPlaceDamaged(t *testing.T) {
	f := largeFile(t, 64<<20)
	dest := reusing(t)
	f.restore(t, dest)
	spec := f.specOf("file")
	for _, at := range []int{2, 3} {
		f.store.Lose(index.Data, f.store.ID(index.Data, spec.Data[at*16*chunk:at*16*chunk+chunk]))
	}
	must(t, writeAt(dest+"/file", []byte("changed"), 3*16*chunk))
	for _, damaged := range []Damaged{KeepOld, Zero} {
		o, warnings := over(f, dest, Replace)
		o.Damaged = damaged
		stats, err := Run(context.Background(), o)
		var lost *LostError
		if err != nil || len(*warnings) != 1 || !errors.As((*warnings)[0].err, &lost) || stats.Lost != chunk {
			t.Fatalf("%v, %v, %+v", err, *warnings, stats)
		}
		if len(lost.Ranges) != 1 || lost.Ranges[0] != (Range{3 * 16 * chunk, chunk}) || lost.Damaged != damaged {
			t.Errorf("lost %v, %v", lost.Ranges, lost)
		}
		if damaged == KeepOld { // it says that it is not what was stored
			got, err := os.ReadFile(dest + "/file")
			want := bytes.Clone(spec.Data)
			copy(want[3*16*chunk:], "changed")
			info, statErr := os.Stat(dest + "/file")
			if err != nil || statErr != nil || !bytes.Equal(got, want) || !marked(dest+"/file") || time.Since(info.ModTime()) > time.Hour || info.Mode().Perm() != fs.FileMode(spec.Mode) {
				t.Errorf("%d bytes, %v; marked: %v; %v, %v", len(got), err, marked(dest+"/file"), info, statErr)
			}
			continue
		}
		spec.Data = bytes.Clone(spec.Data)
		clear(spec.Data[3*16*chunk:][:chunk])
		check(t, dest+"/file", spec)
		if marked(dest + "/file") {
			t.Error("it is still called unfinished")
		}
	}
}

type countingHasher struct {
	Hasher
	bytes atomic.Int64
}

func (h *countingHasher) ID(kind index.Kind, data []byte) index.ID {
	h.bytes.Add(int64(len(data)))
	return h.Hasher.ID(kind, data)
}

// A file that has nothing in common with the stored one is not read to its end
// for that.
func TestInPlaceStrange(t *testing.T) {
	f := build(t, treetest.Dir("", treetest.File("file", string(noise(1, 80<<20)))))
	dest := reusing(t)
	must(t, os.WriteFile(dest+"/file", noise(2, 80<<20), 0o600))
	o, warnings := over(f, dest, Replace)
	h := &countingHasher{Hasher: f.store}
	o.Hasher, o.Workers = h, 1
	stats, err := Run(context.Background(), o)
	if err != nil || len(*warnings) > 0 {
		t.Fatal(err, *warnings)
	}
	if stats.Written != 80<<20 || h.bytes.Load() != strangeBytes {
		t.Errorf("compared %d bytes, %+v", h.bytes.Load(), stats)
	}
	check(t, dest+"/file", f.specOf("file"))
}
