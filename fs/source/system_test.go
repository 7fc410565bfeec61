package source

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func write(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "table")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAccounts(t *testing.T) {
	a := LoadAccounts(
		write(t, "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:\n# note:x:5:\n+nis::7::\nann:x:1000:1000:Ann,,:/home/ann:\n"+
			"bad\nworse:x:y:z\nbig:x:4294967295:1::\ntoo:x:4294967296:1::\n:x:8:8::"),
		write(t, "wheel:x:10:root,ann\nann:x:1000:"))
	for uid, want := range map[uint32]string{0: "root", 1000: "ann", 5: "", 7: "", 8: "", 4294967295: "big", 77: ""} {
		if got := a.User(uid); got != want {
			t.Errorf("user %d is %q, want %q", uid, got, want)
		}
	}
	if a.Group(10) != "wheel" || a.Group(1000) != "ann" || a.Group(0) != "" {
		t.Error("groups differ")
	}
	none := LoadAccounts("/nonexistent", "/nonexistent")
	if none.User(0) != "" || (*Accounts)(nil).Group(0) != "" {
		t.Error("names out of nothing")
	}
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		name                    string
		pseudo, foreign, coarse bool
	}{
		{"ext4", false, false, false}, {"tmpfs", false, false, false}, {"btrfs", false, false, false},
		{"proc", true, false, false}, {"devtmpfs", true, false, false}, {"cgroup2", true, false, false},
		{"nfs4", false, true, false}, {"fuse.sshfs", false, true, false}, {"fuseblk", false, true, false},
		{"fuse.lxcfs", true, true, false}, {"vfat", false, false, true}, {"", false, false, false},
	} {
		got := Classify(c.name)
		if got != (FileSystem{c.name, c.pseudo, c.foreign, c.coarse}) {
			t.Errorf("%+v", got)
		}
	}
}

const mountinfo = `22 27 0:21 / /proc rw,relatime - proc proc rw
24 27 0:6 / /dev rw,relatime - devtmpfs devtmpfs rw,size=12334492k
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard
30 27 0:50 / /mnt/far\040away rw - fuse.sshfs ann@far:/ rw
damaged
31 27 - x
`

func TestMounts(t *testing.T) {
	m := &Mounts{table: write(t, mountinfo)}
	fd := pinned(t, "/proc")
	for _, c := range []struct {
		s    Stat
		want string
	}{
		{Stat{Mount: 24}, "devtmpfs"},
		{Stat{Mount: 30}, "fuse.sshfs"},
		{Stat{Mount: 27, Dev: unix.Mkdev(0, 77)}, "ext4"}, // a subvolume
		{Stat{Dev: unix.Mkdev(254, 0)}, "ext4"},           // a kernel that tells no mount
		{Stat{Mount: 99}, "proc"},                         // not in the table: statfs of fd
	} {
		if got := m.Of(fd, Name{}, &c.s).Type; got != c.want {
			t.Errorf("%+v is %q, want %q", c.s, got, c.want)
		}
	}
	m.table = "/nonexistent"
	if got := m.Of(pinned(t, "/"), NewName("proc"), &Stat{Mount: 98}).Type; got != "proc" {
		t.Errorf("by name: %q", got)
	}
}

// The real table must know the real file systems: /proc is one everywhere.
func TestMountsOfThisSystem(t *testing.T) {
	var s Stat
	if err := StatPath("/proc", true, &s); err != nil {
		t.Fatal(err)
	}
	if got := NewMounts().Of(pinned(t, "/proc"), Name{}, &s); got.Type != "proc" || !got.Pseudo {
		t.Errorf("got %+v", got)
	}
}
