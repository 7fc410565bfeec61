package powercut_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"syscall"
	"testing"

	"garret/store/backend/powercut"
)

func check(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// write makes a file, without a sync.
func write(t *testing.T, d *powercut.FS, name string, data []byte) {
	t.Helper()
	f, err := d.Create(name)
	check(t, err)
	_, err = f.Write(data)
	check(t, err, f.Close())
}

// writeSynced makes a file whose bytes, but not its name, are durable.
func writeSynced(t *testing.T, d *powercut.FS, name string, data []byte) {
	t.Helper()
	f, err := d.Create(name)
	check(t, err)
	_, err = f.Write(data)
	check(t, err, f.Sync(), f.Close())
}

// read returns a file's content, or the error.
func read(d *powercut.FS, name string) ([]byte, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, info.Size())
	_, err = f.ReadAt(data, 0)
	return data, err
}

// outcomes crashes the disk with n seeds and returns what describe says of
// the outcomes, sorted and each once.
func outcomes(d *powercut.FS, n uint64, describe func(*powercut.FS) string) []string {
	var all []string
	for seed := range n {
		all = append(all, describe(d.Crash(seed)))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// content describes a file whose content is text, or its absence.
func content(name string) func(*powercut.FS) string {
	return func(d *powercut.FS) string {
		data, err := read(d, name)
		if errors.Is(err, fs.ErrNotExist) {
			return "-"
		}
		return fmt.Sprint(string(data))
	}
}

func wantOutcomes(t *testing.T, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("outcomes %q, want %q", got, want)
	}
}

func TestNames(t *testing.T) {
	d := powercut.New()
	writeSynced(t, d, "/a", []byte("old"))
	wantOutcomes(t, outcomes(d.Clone(), 20, content("/a")), "old") // a clone is durable
	check(t, d.SyncDir("/"))
	writeSynced(t, d, "/tmp", []byte("new"))
	check(t, d.Rename("/tmp", "/a"))

	both := func(d *powercut.FS) string { return content("/a")(d) + " " + content("/tmp")(d) }
	// A rename may survive at either end alone, but no name means what it
	// never meant.
	wantOutcomes(t, outcomes(d, 50, both), "new -", "new new", "old -", "old new")

	d = d.Clone() // "/a" is the new file, durably
	check(t, d.Remove("/a"))
	wantOutcomes(t, outcomes(d, 20, content("/a")), "-", "new")

	d = d.Crash(powercut.LoseAll) // the removal was forgotten
	check(t, d.Remove("/a"), d.SyncDir("/"))
	wantOutcomes(t, outcomes(d, 20, content("/a")), "-")
}

// TestFolders: a file is there for certain when every folder above it has
// been synced.
func TestFolders(t *testing.T) {
	folders := []string{"/", "/a", "/a/b"}
	for skip := range 4 {
		d := powercut.New()
		check(t, d.Mkdir("/a"), d.Mkdir("/a/b"))
		writeSynced(t, d, "/a/b/c", []byte("data"))
		want := []string{"data"}
		for i, folder := range folders {
			if i == skip {
				want = []string{"-", "data"}
				continue
			}
			check(t, d.SyncDir(folder))
		}
		wantOutcomes(t, outcomes(d, 20, content("/a/b/c")), want...)
	}
}

// TestBytes: unsynced bytes are anything, synced ones are what they were.
func TestBytes(t *testing.T) {
	d := powercut.New()
	f, err := d.Create("/a")
	check(t, err, d.SyncDir("/"))
	data := bytes.Repeat([]byte("0123456789"), 3000)
	_, err = f.Write(data[:10000])
	check(t, err, f.Sync())
	_, err = f.Write(data[10000:])
	check(t, err)

	var whole, short, torn int
	for seed := range uint64(100) {
		got, err := read(d.Crash(seed), "/a")
		check(t, err)
		switch {
		case len(got) < 10000 || len(got) > len(data) || !bytes.Equal(got[:10000], data[:10000]):
			t.Fatalf("seed %d: synced bytes are lost", seed)
		case bytes.Equal(got, data):
			whole++
		case bytes.Equal(got, data[:len(got)]):
			short++
		default:
			torn++
		}
		again, err := read(d.Crash(seed), "/a")
		if err != nil || !bytes.Equal(got, again) {
			t.Errorf("seed %d does not give the same outcome twice: %v", seed, err)
		}
		if seed == powercut.LoseAll && len(got) != 10000 || seed == powercut.KeepAll && len(got) != len(data) {
			t.Errorf("seed %d leaves %d bytes", seed, len(got))
		}
	}
	if whole == 0 || short == 0 || torn == 0 {
		t.Errorf("of 100 outcomes %d are whole, %d short, %d torn", whole, short, torn)
	}
}

func TestCutAfter(t *testing.T) {
	for n := range 6 {
		d := powercut.New()
		check(t, d.Mkdir("/x"))
		d.CutAfter(n)
		f, err := d.Create("/a") // 1
		if err == nil {
			_, err = f.Write([]byte("data")) // 2
		}
		if err == nil {
			err = f.Sync() // 3
		}
		if err == nil {
			err = errors.Join(f.Close(), d.Rename("/a", "/b")) // 4
		}
		if err == nil {
			err = d.SyncDir("/") // 5
		}
		if (err == nil) != (n == 5) || err != nil && !errors.Is(err, powercut.ErrCut) {
			t.Errorf("n=%d: %v", n, err)
		}
		if d.Ops() != 1+n {
			t.Errorf("n=%d: %d changes were counted", n, d.Ops())
		}
		if d.IsCut() != (n < 5) {
			t.Errorf("n=%d: IsCut is %v", n, d.IsCut())
		}
		if n == 5 {
			wantOutcomes(t, outcomes(d, 20, content("/b")), "data")
		}
		left := d.Crash(powercut.KeepAll)
		if _, err := d.Stat("/"); !errors.Is(err, powercut.ErrCut) {
			t.Errorf("after the crash, the old machine runs on: %v", err)
		}
		check(t, left.Mkdir("/y")) // and the new one has no limit
	}
}

// TestCrashDuringHook: what a call had not done when the power was cut, it
// does not do, nor claim to have done.
func TestCrashDuringHook(t *testing.T) {
	d := powercut.New()
	write(t, d, "/a", []byte("data"))
	var left *powercut.FS
	d.SetHook(func(powercut.Call) error {
		left = d.Crash(powercut.LoseAll)
		return nil
	})
	if err := d.SyncDir("/"); !errors.Is(err, powercut.ErrCut) {
		t.Errorf("a sync that the power cut overtook: %v", err)
	}
	wantOutcomes(t, outcomes(left, 2, content("/a")), "-")
}

func TestErrors(t *testing.T) {
	d := powercut.New()
	check(t, d.Mkdir("/dir"))
	write(t, d, "/file", []byte("data"))
	_, create := d.Create("/file")
	_, below := d.Create("/file/x")
	_, missing := d.Open("/missing")
	_, readDir := d.ReadDir("/file")
	_, stat := d.Stat("/dir/missing")
	tests := map[string]struct{ err, want error }{
		"Create taken":     {create, fs.ErrExist},
		"Create below":     {below, syscall.ENOTDIR},
		"Open missing":     {missing, fs.ErrNotExist},
		"ReadDir of file":  {readDir, syscall.ENOTDIR},
		"Stat missing":     {stat, fs.ErrNotExist},
		"Mkdir taken":      {d.Mkdir("/dir"), fs.ErrExist},
		"Mkdir below":      {d.Mkdir("/missing/x"), fs.ErrNotExist},
		"Rename missing":   {d.Rename("/missing", "/x"), fs.ErrNotExist},
		"Rename to folder": {d.Rename("/file", "/dir"), syscall.EISDIR},
		"Remove missing":   {d.Remove("/missing"), fs.ErrNotExist},
		"Remove folder":    {d.Remove("/dir"), syscall.EISDIR},
		"SyncDir missing":  {d.SyncDir("/missing"), fs.ErrNotExist},
	}
	for what, tt := range tests {
		var e *fs.PathError
		if !errors.Is(tt.err, tt.want) || !errors.As(tt.err, &e) {
			t.Errorf("%s: %v, want %v", what, tt.err, tt.want)
		}
	}
	f, err := d.Open("/file")
	check(t, err, d.Remove("/file"))
	p := make([]byte, 10)
	if n, err := f.ReadAt(p, 1); n != 3 || err != io.EOF {
		t.Errorf("reading a removed file that is open: %d, %v", n, err)
	}
	check(t, f.Close())
	if _, err := f.ReadAt(p, 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("reading a closed file: %v", err)
	}
}
