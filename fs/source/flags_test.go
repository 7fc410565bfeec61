package source

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
)

// Flags come from statx where it tells them, and the rest from the open file.
func TestFlags(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	const noDump, noAccessTime = 0x40, 0x80 // FS_NODUMP_FL, FS_NOATIME_FL
	set := func(path string) {
		t.Helper()
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, noDump|noAccessTime); err != nil {
			t.Skipf("the file system has no such flags: %v", err)
		}
	}
	set(name)
	set(dir)
	d, err := NewHandles(4).OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	f, err := d.OpenFile(NewName("f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st Stat
	if err := f.Stat(&st); err != nil {
		t.Fatal(err)
	}
	var n tree.Node
	st.Fill(&n, nil)
	if n.Flags != noDump || !st.NoDump() || !d.Stat.NoDump() {
		t.Errorf("statx tells of flags %#x", n.Flags)
	}
	for what, flagged := range map[string]interface{ Flags() (uint32, bool) }{"file": f, "directory": d} {
		flags, ok := flagged.Flags()
		if !ok || flags != noDump|noAccessTime || UnseenFlags(flags) != noAccessTime {
			t.Errorf("%s: flags %#x, %t", what, flags, ok)
		}
	}
	p, err := NewHandles(1).OpenRoot("/proc/self")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if flags, ok := p.Flags(); ok || flags != 0 {
		t.Errorf("proc has flags %#x", flags)
	}
}
