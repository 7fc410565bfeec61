package restore

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
)

// inode is what metadata are set of: what fd is open on, or the entry name in
// the directory fd, of a symbolic link itself.
type inode struct {
	fd   int
	name string
}

// procPath names an entry for system calls that take no descriptor of its
// directory. What comes behind the descriptor is one name, so no symbolic link
// can lead away.
func procPath(fd int, name string) string {
	return "/proc/self/fd/" + strconv.Itoa(fd) + "/" + name
}

// born says what an entry has since it was made, so that it need not be set.
type born struct {
	owned bool // the owner and group that it shall have
	mode  bool // the mode
}

// setMetadata sets all that is kept of an entry but its content and its inode
// flags. The package's documentation says why in this order.
func (r *run) setMetadata(d *directory, name string, i inode, n *tree.Node, has born) {
	mode := uint32(n.Mode)
	if !has.owned {
		mode = r.setOwner(d, name, i, n)
	}
	for k := range n.Xattrs {
		if x := &n.Xattrs[k]; r.takes(x.Name) {
			if err := i.setXattr(x); err != nil {
				r.xattrNotSet(x, d, name, err)
			}
		}
	}
	if n.Type != tree.Symlink && !has.mode {
		if err := i.chmod(mode); err != nil {
			r.notSet("mode", d, name, err)
		}
	}
	if err := i.setTimes(n); err != nil {
		r.notSet("times", d, name, err)
	} else if n.ModTime.Sec < 0 || n.ModTime.Sec > math.MaxInt32 {
		r.checkTime(d, name, i, n)
	}
}

// checkTime reports a time that the file system has moved to the bounds of what
// it can keep, which it does without an error.
func (r *run) checkTime(d *directory, name string, i inode, n *tree.Node) {
	var st unix.Stat_t
	err := unix.Fstatat(i.fd, i.name, &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH)
	if err == nil && st.Mtim.Sec != n.ModTime.Sec {
		r.denied("times", d, name, fmt.Errorf("%s: %w", n.ModTime.Time().UTC().Format(time.RFC3339), errTime))
	}
}

var errTime = errors.New("the file system cannot keep this time")

// setOwner sets user and group, or the group alone, and returns the mode that
// goes with that: a program whose owner could not be set must not run as
// somebody else.
func (r *run) setOwner(d *directory, name string, i inode, n *tree.Node) uint32 {
	mode := uint32(n.Mode)
	uid, gid := r.ids.of(n)
	err := i.chown(int(uid), int(gid))
	if err == nil {
		return mode
	}
	group := i.chown(-1, int(gid)) == nil
	if uid != r.euid {
		mode &^= unix.S_ISUID
	}
	if !group && n.Type != tree.Directory {
		mode &^= unix.S_ISGID
	}
	r.notSet("owner", d, name, err)
	return mode
}

// birth returns with which permissions an entry of d is to be made, and what it
// then has. New directories are closed to others until all in them is done, so
// that an entry can have its final mode at once. An entry that gets attributes
// must be writable for that.
func (r *run) birth(d *directory, n *tree.Node) (perm uint32, has born) {
	if !d.plain {
		return 0o600, has
	}
	uid, gid := r.ids.of(n)
	has.owned = uid == r.euid && gid == r.egid
	if has.owned && len(n.Xattrs) == 0 && n.Mode&^0o777 == 0 && uint32(n.Mode)&r.umask == 0 {
		has.mode = true
		return uint32(n.Mode), has
	}
	return 0o600, has
}

// processUmask returns the bits that are missing in what this process makes.
func processUmask() uint32 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "Umask:"); ok {
			if mask, err := strconv.ParseUint(strings.TrimSpace(value), 8, 32); err == nil {
				return uint32(mask)
			}
		}
	}
	return 0o777 // not known: every mode is set
}

func (i inode) chown(uid, gid int) error {
	if i.name == "" {
		return unix.Fchown(i.fd, uid, gid)
	}
	return unix.Fchownat(i.fd, i.name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
}

func (i inode) chmod(mode uint32) error {
	if i.name == "" {
		return unix.Fchmod(i.fd, mode)
	}
	return chmodAt(i.fd, i.name, mode)
}

// chmodAt changes the mode of what is not a symbolic link.
func chmodAt(dir int, name string, mode uint32) error {
	err := unix.Fchmodat(dir, name, mode, unix.AT_SYMLINK_NOFOLLOW)
	if err != unix.EOPNOTSUPP {
		return err
	}
	// Before Linux 6.6 there is no such call. A descriptor that is fixed on
	// the inode has a path through which there is.
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return unix.ELOOP
	}
	return unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), mode)
}

// setTimes sets the modification time, and the access time if it was kept.
func (i inode) setTimes(n *tree.Node) error {
	atime := unix.Timespec{Nsec: unix.UTIME_OMIT}
	var err error
	if !n.AccessTime.IsZero() {
		if atime, err = unix.TimeToTimespec(n.AccessTime.Time()); err != nil {
			return err
		}
	}
	mtime, err := unix.TimeToTimespec(n.ModTime.Time())
	if err != nil {
		return err
	}
	ts := [2]unix.Timespec{atime, mtime}
	if i.name != "" {
		return unix.UtimesNanoAt(i.fd, i.name, ts[:], unix.AT_SYMLINK_NOFOLLOW)
	}
	return futimens(i.fd, &ts)
}

// futimens is futimens(3): the system call without a path.
func futimens(fd int, ts *[2]unix.Timespec) error {
	_, _, e := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(ts)), 0, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}
