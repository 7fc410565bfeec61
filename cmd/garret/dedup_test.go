package main

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"garret/store/backend/mem"
)

// copyOfSource copies a part of the Go source: nobody else opens its files.
func copyOfSource(t testing.TB, part, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-r", filepath.Join(goRoot(t), "src", part), to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// age waits until the times of what was made just now lie before the next run
// by more than the tick of a clock.
func age() { time.Sleep(100 * time.Millisecond) }

// The second snapshot of an unchanged tree opens none of its files, and adds
// next to nothing to the repository: that is what makes hourly snapshots
// possible.
func TestUnchanged(t *testing.T) {
	dir := memoryDir(t)
	source := filepath.Join(dir, "source")
	copyOfSource(t, "crypto", source)
	u := newUser(t, dir)
	u.initCheap()
	age()
	first := u.snapshot(source)
	before := repositoryBytes(t, u.repo)

	opened := watchOpens(t, source)
	second := u.snapshot(source)
	if n := opened(); n != 0 {
		t.Errorf("%d files were opened", n)
	}
	if second.Totals.BytesRead != 0 || second.Totals.Unmodified != first.Totals.Files || first.Totals.Files < 500 {
		t.Errorf("first %+v, second %+v", first.Totals, second.Totals)
	}
	added := repositoryBytes(t, u.repo) - before
	if added > 20<<10 {
		t.Errorf("the repository grew by %d bytes", added)
	}
	t.Logf("%d files unchanged: the repository grew by %d bytes", first.Totals.Files, added)

	// The watch does see it when a file is read.
	if err := os.WriteFile(filepath.Join(source, "new"), noise("new", 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	age()
	opened = watchOpens(t, source)
	u.snapshot(source)
	if n := opened(); n != 1 {
		t.Errorf("one file is new: %d were opened", n)
	}
}

// watchOpens counts how often files below a directory are opened by anybody,
// until the returned function is called. Directories do not count.
func watchOpens(t *testing.T, root string) (opened func() int64) {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	events := os.NewFile(uintptr(fd), "inotify") // reads end at a deadline
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_, err = unix.InotifyAddWatch(fd, path, unix.IN_OPEN|unix.IN_ONLYDIR)
		}
		return err
	})
	if err != nil {
		t.Fatalf("inotify: %v", err)
	}
	var count atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 64<<10)
		for {
			n, err := events.Read(buf)
			if err != nil {
				return
			}
			// struct inotify_event: descriptor, mask, cookie, length of the name
			for at := 0; at < n; at += unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(buf[at+12:])) {
				if binary.NativeEndian.Uint32(buf[at+4:])&unix.IN_ISDIR == 0 {
					count.Add(1) // an overflow of the queue counts too
				}
			}
		}
	}()
	return func() int64 {
		// An event is queued before open(2) returns.
		_ = events.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		<-done
		events.Close()
		return count.Load()
	}
}

// A change costs what it is worth: ten bytes before 32 MiB one or two chunks, a
// new name for a directory the pages that hold names above it.
func TestDeduplication(t *testing.T) {
	dir := memoryDir(t)
	source := filepath.Join(dir, "source")
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}
	copyOfSource(t, "net", filepath.Join(source, "a directory"))
	large := filepath.Join(source, "large")
	data := noise("large", 32<<20)
	write := func(parts ...[]byte) {
		t.Helper()
		f, err := os.Create(large)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, p := range parts {
			if _, err := f.Write(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(data)
	age()
	r := newMemoryRepository(t, mem.New())
	first := r.snapshot(source)
	if first.data < 100 || first.tree < 2 {
		t.Errorf("first snapshot: %+v", first)
	}

	write([]byte("ten bytes."), data)
	age()
	inserted := r.snapshot(source)
	t.Logf("10 bytes inserted before 32 MiB: %v", inserted)
	if inserted.data < 1 || inserted.data >= 3 || inserted.Stats.FilesRead != 1 {
		t.Errorf("10 bytes inserted: %v, %d files read", inserted, inserted.Stats.FilesRead)
	}

	if err := os.Rename(filepath.Join(source, "a directory"), filepath.Join(source, "another name")); err != nil {
		t.Fatal(err)
	}
	age()
	renamed := r.snapshot(source)
	t.Logf("directory of %d entries renamed: %v", first.Root.Dir.Total, renamed)
	if renamed.data != 0 || renamed.tree < 1 || renamed.tree > 3 || renamed.stored > 20<<10 {
		t.Errorf("directory renamed: %v", renamed)
	}

	if again := r.snapshot(source); again.data != 0 || again.tree != 0 || again.Stats.FilesRead != 0 {
		t.Errorf("nothing changed: %v, %d files read", again, again.Stats.FilesRead)
	}
}

// A file that is changed again in the tick of the clock in which it was read may
// keep size and times. A file as young as that is no proof of itself: it is read
// once more, and no more once it is old.
func TestYoungFileIsReadAgain(t *testing.T) {
	source := memoryDir(t)
	r := newMemoryRepository(t, mem.New())
	if err := os.WriteFile(filepath.Join(source, "file"), noise("young", 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	r.snapshot(source)
	if n := r.snapshot(source).Stats.FilesRead; n != 1 {
		t.Errorf("the snapshot after one that began when the file was written read %d files", n)
	}
	age()
	r.snapshot(source)
	if n := r.snapshot(source).Stats.FilesRead; n != 0 {
		t.Errorf("%d files read that are old", n)
	}
}

// A file that is written while a snapshot runs, over and over with the same
// size, is stored by the next one as it is then: if it were believed to be
// unchanged, its last version would never be stored.
func TestWrittenMeanwhile(t *testing.T) {
	dir := memoryDir(t)
	source := filepath.Join(dir, "source")
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(source, "file")
	u := newUser(t, dir)
	u.initCheap()
	write := func(n int) string {
		t.Helper()
		content := fmt.Sprintf("version %06d\n", n)
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return content
	}

	for round := range 5 {
		cmd := u.command("snapshot", "--quiet", source)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		want := ""
		for n, running := round*100000+1, true; running; n++ {
			want = write(n)
			select {
			case <-ended: // with warnings perhaps: the file changed
				running = false
			default:
			}
		}
		r := u.snapshot(source)
		if got := u.run("cat", r.ID+":"+file); got != want {
			t.Errorf("round %d: the next snapshot has %q, the file %q", round, got, want)
		}
	}
}
