package compare

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func openDir(at int, name string, flags int) (int, error) {
	return retry(func() (int, error) {
		return unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|flags, 0)
	})
}

// retry repeats a call that a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != unix.EINTR {
			return n, err
		}
	}
}

// names returns the sorted names in a directory, without "." and "..".
func names(fd int) ([]string, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(dup), "directory")
	defer f.Close()
	list, err := f.Readdirnames(-1)
	slices.Sort(list)
	return list, err
}

// roots compares the two roots and all below them.
func (r *run) roots(p pair) {
	var a, b unix.Stat_t
	errA, errB := unix.Fstat(p.a, &a), unix.Fstat(p.b, &b)
	if !r.failed(".", "stat", errA, errB) && !r.o.IgnoreRoot {
		r.metadata(".", &a, &b)
		r.xattrs(".", fdPath(p.a, ""), fdPath(p.b, ""))
		r.flags(".", p.a, p.b)
	}
	r.entries.Add(1)
	r.directory(p, "")
}

// directory compares what is in two open directories. Path is "" or ends in a
// slash.
func (r *run) directory(p pair, path string) {
	a, errA := names(p.a)
	b, errB := names(p.b)
	here := strings.TrimSuffix(path, "/")
	if here == "" {
		here = "."
	}
	if r.failed(here, "list", errA, errB) {
		return
	}
	for (len(a) > 0 || len(b) > 0) && r.ctx.Err() == nil {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0] < b[0]:
			r.alone(p.a, path, a[0], Missing)
			a = a[1:]
		case len(a) == 0 || b[0] < a[0]:
			r.alone(p.b, path, b[0], Extra)
			b = b[1:]
		default:
			if r.o.Skip == nil || !r.o.Skip(path+a[0]) {
				r.both(p, path, a[0])
			}
			a, b = a[1:], b[1:]
		}
	}
}

// alone reports an entry that one tree has.
func (r *run) alone(dir int, path, name string, kind Kind) {
	if r.o.Skip != nil && r.o.Skip(path+name) {
		return
	}
	var st unix.Stat_t
	what := "unreadable"
	if unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
		if what = typeName(st.Mode); kind == Missing && r.o.IgnoreSockets && st.Mode&unix.S_IFMT == unix.S_IFSOCK {
			return
		}
	}
	if kind == Missing {
		r.differ(path+name, kind, what, "nothing")
	} else {
		r.differ(path+name, kind, "nothing", what)
	}
}

// both compares an entry that both trees have.
func (r *run) both(p pair, path, name string) {
	full := path + name
	r.entries.Add(1)
	var a, b unix.Stat_t
	errA := unix.Fstatat(p.a, name, &a, unix.AT_SYMLINK_NOFOLLOW)
	errB := unix.Fstatat(p.b, name, &b, unix.AT_SYMLINK_NOFOLLOW)
	if r.failed(full, "stat", errA, errB) {
		return
	}
	if a.Mode&unix.S_IFMT != b.Mode&unix.S_IFMT {
		r.differ(full, Type, typeName(a.Mode), typeName(b.Mode))
		return
	}
	r.metadata(full, &a, &b)
	r.xattrs(full, fdPath(p.a, name), fdPath(p.b, name))
	again := r.links.compare(r, full, &a, &b)
	switch a.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		r.descend(p, full, name)
	case unix.S_IFREG:
		if !again {
			r.file(p, full, name, &a, &b)
		}
	case unix.S_IFLNK:
		r.targets(p, full, name)
	case unix.S_IFBLK, unix.S_IFCHR:
		if a.Rdev != b.Rdev {
			r.differ(full, Device, deviceName(a.Rdev), deviceName(b.Rdev))
		}
	}
}

// sparse reports whether fewer blocks, of 512 bytes, are allocated than the size
// asks for.
func sparse(st *unix.Stat_t) bool { return st.Blocks*512 < st.Size }

func (r *run) descend(p pair, full, name string) {
	a, errA := openDir(p.a, name, unix.O_NOFOLLOW)
	b, errB := openDir(p.b, name, unix.O_NOFOLLOW)
	if errA == nil {
		defer unix.Close(a)
	}
	if errB == nil {
		defer unix.Close(b)
	}
	if !r.failed(full, "open", errA, errB) {
		r.flags(full, a, b)
		r.directory(pair{a, b}, full+"/")
	}
}

func (r *run) targets(p pair, full, name string) {
	a, errA := readlink(p.a, name)
	b, errB := readlink(p.b, name)
	if !r.failed(full, "read link", errA, errB) && a != b {
		r.differ(full, Target, quote(a), quote(b))
	}
}

func readlink(dir int, name string) (string, error) {
	buf := make([]byte, unix.PathMax+1)
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}
