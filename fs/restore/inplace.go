package restore

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
	"garret/fs/view"
)

// reuse opens the file that is in e's way, when it is to become e where it is,
// and marks it as unfinished. It returns its size, which is more than two
// pieces, and a descriptor; -1 when the file is to be replaced, and nothing was
// done to it. An error means that it is marked and can be neither.
//
// Nobody may notice that the file is changed and not replaced. So it is left
// alone when it has other names, when somebody has it open or mapped, when its
// owner is not the stored one, when more users may open it than may what was
// stored, and when something is mounted on it.
func (r *run) reuse(dir int, e view.Entry) (fd int, size uint64, err error) {
	// With Skip and Fail a loss, found out at the end perhaps, leaves the old
	// file. Holes with blocks are for new files.
	large := e.Size > 2*pieceBytes
	if !large || r.o.Hasher == nil || !r.proc || !r.replaceable() || r.o.Damaged == Skip || r.o.Damaged == Fail || r.o.Allocate || !isFile(dir, e.Name) {
		return -1, 0, nil
	}
	fd, err = unix.Openat2(dir, e.Name, &unix.OpenHow{
		Flags:   unix.O_RDWR | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC | unix.O_LARGEFILE,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
	if err != nil {
		return -1, 0, nil
	}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size <= 2*pieceBytes ||
		!r.mayReuse(fd, &st, e.Node) || !alone(fd) || unix.Fsetxattr(fd, unfinished, nil, 0) != nil {
		unix.Close(fd)
		return -1, 0, nil
	}
	// This fails when it is swapped to, or too large for the file system.
	if unix.Ftruncate(fd, int64(e.Size)) != nil {
		unix.Fremovexattr(fd, unfinished)
		unix.Close(fd)
		return -1, 0, nil
	}
	if err = touch(fd); err == nil {
		err = unix.Fchmod(fd, 0o600)
	}
	if err == nil {
		err = unix.Fsync(fd) // the mark comes before what it tells of
	}
	return fd, uint64(st.Size), err
}

// mayReuse compares what is there with what n says about it.
func (r *run) mayReuse(fd int, st *unix.Stat_t, n *tree.Node) bool {
	uid, gid := r.ids.of(n)
	if st.Nlink != 1 || st.Uid != uid || st.Gid != gid || st.Mode&^uint32(n.Mode)&0o077 != 0 {
		return false
	}
	flags := n.Flags & allFlags &^ lockFlags
	if r.o.NoFlags {
		flags = 0
	}
	if flagsOf(fd) != flags {
		return false
	}
	acl := make([]byte, 64<<10) // the kernel's bound
	size, err := unix.Fgetxattr(fd, aclAccess, acl)
	if err != nil {
		return err == unix.ENODATA || err == unix.EOPNOTSUPP
	}
	for i := range n.Xattrs {
		if x := &n.Xattrs[i]; x.Name == aclAccess {
			return r.takes(x.Name) && bytes.Equal(x.Value, acl[:size])
		}
	}
	return false
}

// alone reports whether nobody else has the file open or mapped: only then a
// lease for writing is given. Where there are no leases it is not known.
func alone(fd int) bool {
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		return false
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_UNLCK)
	return err == nil
}

// touch sets the modification time to now, so that it is not the stored one.
func touch(fd int) error {
	return futimens(fd, &[2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_NOW}})
}

// isHalf reports whether a run was interrupted while it changed this file in
// place. Its time then says nothing.
func isHalf(dir int, name string) bool {
	if !isFile(dir, name) {
		return false
	}
	_, err := unix.Lgetxattr(procPath(dir, name), unfinished, nil)
	return err == nil
}

// keeps reports whether a file that was changed in place has kept what was there
// where something is lost. It is not what was stored, and says so: the mark stays,
// and the time is not the stored one.
func (f *file) keeps() bool { return f.old > 0 && f.lost.Err != nil && f.lost.Damaged == KeepOld }

// settle ends the changing of a file in place: all but what a new file would
// get as well. The mark goes when the data are on the disk, as from then on a
// later run will believe that they are.
func (r *run) settle(f *file) error {
	if err := unix.Fdatasync(f.fd); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	list := make([]byte, 64<<10)
	size, err := unix.Flistxattr(f.fd, list)
	if err != nil {
		return fmt.Errorf("extended attributes: %w", err)
	}
	for name := range strings.SplitSeq(string(list[:size]), "\x00") {
		stays := hasXattr(f.entry.Node, name) && r.takes(name)
		if !stays && name != unfinished && (removable(name) || name == "security.capability") {
			unix.Fremovexattr(f.fd, name)
		}
	}
	if f.keeps() {
		return nil
	}
	// What is not set yet is a difference that a later run sees.
	_ = inode{fd: f.fd}.setTimes(f.entry.Node) // reported when they are set at last
	if err := unix.Fremovexattr(f.fd, unfinished); err != nil {
		return fmt.Errorf("extended attributes: %w", err)
	}
	return nil
}
