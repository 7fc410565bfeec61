package compare

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// fdPath names an entry of an open directory, or with an empty name the
// directory itself, for system calls that know only paths.
func fdPath(fd int, name string) string {
	if name == "" {
		name = "."
	}
	return "/proc/self/fd/" + strconv.Itoa(fd) + "/" + name
}

// xattrs compares the extended attributes, ACLs and capabilities among them, of
// two entries, of symbolic links themselves.
func (r *run) xattrs(path, a, b string) {
	listA, errA := readXattrs(a)
	listB, errB := readXattrs(b)
	if r.failed(path, "extended attributes", errA, errB) || len(listA) == 0 && len(listB) == 0 {
		return
	}
	all := maps.Clone(listB)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, listA)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if r.o.IgnoreXattr != nil && r.o.IgnoreXattr(name) {
			continue
		}
		valueA, inA := listA[name]
		valueB, inB := listB[name]
		if inA != inB || valueA != valueB {
			r.differ(path, Xattrs, attrText(name, valueA, inA), attrText(name, valueB, inB))
		}
	}
}

func attrText(name, value string, ok bool) string {
	if !ok {
		return "no " + name
	}
	return name + "=" + quote(value)
}

// readXattrs returns all attributes; none where the file system has none.
func readXattrs(path string) (map[string]string, error) {
	list, err := grow(func(buf []byte) (int, error) { return unix.Llistxattr(path, buf) })
	if err == unix.EOPNOTSUPP || err == unix.ENOSYS {
		return nil, nil
	}
	if err != nil || list == "" {
		return nil, err
	}
	attrs := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimSuffix(list, "\x00"), "\x00") {
		value, err := grow(func(buf []byte) (int, error) { return unix.Lgetxattr(path, name, buf) })
		switch err {
		case nil:
			attrs[name] = value
		case unix.ENODATA, unix.EOPNOTSUPP: // listed, but not there for us
		default:
			return nil, err
		}
	}
	return attrs, nil
}

// grow calls with buffers up to the kernel's limit of 64 KiB.
func grow(call func([]byte) (int, error)) (string, error) {
	buf := make([]byte, 512)
	n, err := call(buf)
	if err == unix.ERANGE {
		buf = make([]byte, 64<<10)
		n, err = call(buf)
	}
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}
