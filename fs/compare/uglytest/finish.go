package uglytest

import (
	"hash/fnv"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// finish sets what must come last: all times, the modes of directories that
// nobody gets into any more, then the inode flags.
func (b *builder) finish() {
	fd, err := openDir(unix.AT_FDCWD, b.Root)
	if !b.check(".", err) {
		return
	}
	defer unix.Close(fd)
	b.setTimes(fd, "")
	b.setTime(unix.AT_FDCWD, b.Root, ".")
	for _, c := range slices.Backward(b.closed) { // what lies deeper came later
		b.chmod(c.path, c.mode)
	}
	for _, f := range slices.Backward(b.flags) {
		b.setFlags(f)
	}
}

// setTimes sets the times of all below an open directory. Path is empty or ends
// in a slash. It goes by descriptors, as some paths are too long.
func (b *builder) setTimes(dir int, path string) {
	names, err := readNames(dir)
	b.check(path, err)
	for _, name := range names {
		if b.err != nil {
			return
		}
		if fd, err := openDir(dir, name); err == nil {
			b.setTimes(fd, path+name+"/")
			unix.Close(fd)
		} else if err != unix.ENOTDIR && err != unix.ELOOP {
			b.check(path+name, err)
		}
		b.setTime(dir, name, path+name)
	}
}

// setTime sets the time that was asked for, or one that depends on the path.
func (b *builder) setTime(dir int, name, path string) {
	ts, ok := b.times[path]
	if !ok {
		h := fnv.New64a()
		_, _ = h.Write([]byte(path))
		n := int64(h.Sum64() >> 1)
		ts = unix.Timespec{Sec: 1e9 + n%500_000_000, Nsec: n / 7 % 1_000_000_000}
	}
	b.check(path, unix.UtimesNanoAt(dir, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW))
}

func openDir(at int, name string) (int, error) {
	return unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

// readNames lists an open directory.
func readNames(fd int) ([]string, error) {
	again, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(again), "directory")
	defer f.Close()
	return f.Readdirnames(-1)
}
