package source

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Mounts tells the file system of an entry. It reads the kernel's table of
// mounts when it is first asked, and again for a mount it has not seen. Not
// safe for concurrent use.
type Mounts struct {
	table string // path of the table
	types map[uint64]string
	devs  map[uint64]string
}

// NewMounts returns a Mounts that reads /proc/self/mountinfo.
func NewMounts() *Mounts { return &Mounts{table: "/proc/self/mountinfo"} }

// Of returns the file system of the entry name (empty: of fd itself), which has
// the metadata s, in the directory that fd is the pinned descriptor of. statfs
// alone would not do: it calls a devtmpfs a tmpfs, and sshfs just FUSE.
func (m *Mounts) Of(fd int, name Name, s *Stat) FileSystem {
	if t, ok := m.find(s); ok {
		return Classify(t)
	}
	m.load()
	if t, ok := m.find(s); ok {
		return Classify(t)
	}
	return m.byMagic(fd, name)
}

func (m *Mounts) find(s *Stat) (string, bool) {
	if s.Mount != 0 {
		t, ok := m.types[s.Mount]
		return t, ok
	}
	t, ok := m.devs[s.Dev]
	return t, ok
}

// load parses lines like
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw
//
// with the mount's id first, major:minor third, and the type behind the dash
// (proc_pid_mountinfo(5)).
func (m *Mounts) load() {
	m.types, m.devs = map[uint64]string{}, map[uint64]string{}
	data, err := os.ReadFile(m.table)
	if err != nil {
		return
	}
	for line := range bytes.Lines(data) {
		before, after, ok := bytes.Cut(line, []byte(" - "))
		f, t := bytes.Fields(before), bytes.Fields(after)
		if !ok || len(f) < 3 || len(t) == 0 {
			continue
		}
		id, err := strconv.ParseUint(string(f[0]), 10, 64)
		if err != nil {
			continue
		}
		m.types[id] = string(t[0])
		major, minor, _ := bytes.Cut(f[2], []byte{':'})
		a, errA := strconv.ParseUint(string(major), 10, 32)
		b, errB := strconv.ParseUint(string(minor), 10, 32)
		if errA == nil && errB == nil {
			m.devs[unix.Mkdev(uint32(a), uint32(b))] = string(t[0])
		}
	}
}

// byMagic asks statfs. The entry is opened with O_PATH, which touches neither
// a device nor a FIFO and starts no automounter.
func (m *Mounts) byMagic(fd int, name Name) FileSystem {
	if name != (Name{}) {
		p, err := openat(fd, name, unix.O_PATH|unix.O_NOFOLLOW)
		if err != nil {
			return FileSystem{Type: "unknown"}
		}
		defer unix.Close(p)
		fd = p
	}
	var s unix.Statfs_t
	if err := unix.Fstatfs(fd, &s); err != nil {
		return FileSystem{Type: "unknown"}
	}
	magic := uint32(s.Type)
	if t, ok := magics[magic]; ok {
		return Classify(t)
	}
	return FileSystem{Type: fmt.Sprintf("%#x", magic)}
}
