package uglytest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Tree says what Build has made. Paths are relative to Root.
type Tree struct {
	Root string

	Entries uint64   // all below Root, sockets not counted
	Sockets []string // which backups leave out
	// Unreadable are the entries whose content their owner cannot read, unless
	// it is root: files, and directories with what is in them.
	Unreadable []string
	// Huge are files whose holes take hours to read for programs that do not
	// look for them.
	Huge []string
	// TooDeep is the directory below which paths get longer than PATH_MAX.
	TooDeep string
	// Lacks names what could not be made here, "trusted xattrs" for instance.
	Lacks []string
}

// Many is how many entries the largest directory has.
const Many = 20000

// Build makes the tree in root, which is made when it is not there and must
// be empty. Remove removes it again; os.RemoveAll does not get through.
func Build(root string) (*Tree, error) { return BuildFew(root, Many) }

// BuildFew is Build with fewer entries in the largest directory, which takes
// most of the time.
func BuildFew(root string, many int) (*Tree, error) {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, err
	}
	b := &builder{Tree: Tree{Root: root}, entries: many, times: map[string]unix.Timespec{}}
	for _, part := range []func(){
		b.names, b.modes, b.instants, b.sizes, b.holes, b.symlinks, b.hardLinks, b.special, b.xattrs, b.acls,
		b.owners, b.inodeFlags, b.many, b.deep,
	} {
		if part(); b.err != nil {
			return nil, fmt.Errorf("ugly tree: %w", b.err)
		}
	}
	if b.finish(); b.err != nil {
		return nil, fmt.Errorf("ugly tree: %w", b.err)
	}
	slices.Sort(b.Lacks)
	return &b.Tree, nil
}

// builder makes a tree. The first error stays; what comes after it does nothing.
type builder struct {
	Tree
	entries int // of the largest directory
	err     error

	// What is set at the end, because it would be changed by, or forbid, what
	// comes later.
	times  map[string]unix.Timespec // others get one that depends on their path
	closed []closed
	flags  []flagged
}

type closed struct {
	path string
	mode uint32
}

type flagged struct {
	path string
	bits int
}

func (b *builder) check(path string, err error) bool {
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("%q: %w", path, err)
	}
	return b.err == nil
}

// may is check for what not every user may do and not every file system knows.
func (b *builder) may(what, path string, err error) bool {
	for _, refusal := range []error{unix.EPERM, unix.EACCES, unix.EOPNOTSUPP, unix.ENOTTY, unix.EINVAL} {
		if errors.Is(err, refusal) {
			if !slices.Contains(b.Lacks, what) {
				b.Lacks = append(b.Lacks, what)
			}
			return false
		}
	}
	return b.check(path, err)
}

func (b *builder) path(name string) string { return filepath.Join(b.Root, name) }

func (b *builder) dir(name string) {
	if b.err == nil {
		b.Entries++
		b.check(name, os.Mkdir(b.path(name), 0o755))
	}
}

func (b *builder) file(name string, data []byte) {
	if b.err == nil {
		b.Entries++
		b.check(name, os.WriteFile(b.path(name), data, 0o644))
	}
}

func (b *builder) symlink(name, target string) {
	if b.err == nil {
		b.Entries++
		b.check(name, os.Symlink(target, b.path(name)))
	}
}

// hardLink makes name another name of old.
func (b *builder) hardLink(old, name string) {
	if b.err == nil {
		b.Entries++
		b.check(name, os.Link(b.path(old), b.path(name)))
	}
}

func (b *builder) fifo(name string) {
	if b.err == nil {
		b.Entries++
		b.check(name, unix.Mkfifo(b.path(name), 0o644))
	}
}

// device makes a device node and reports whether that is allowed.
func (b *builder) device(name string, kind, major, minor uint32) bool {
	made := b.err == nil && b.may("devices", name, unix.Mknod(b.path(name), kind|0o644, int(unix.Mkdev(major, minor))))
	if made {
		b.Entries++
	}
	return made
}

// chmod sets the mode of a file. That of a directory may forbid what is still
// to be done: it is set at the end.
func (b *builder) chmod(name string, mode uint32) {
	if b.err == nil {
		b.check(name, unix.Chmod(b.path(name), mode))
	}
}

func (b *builder) closeDir(name string, mode uint32) {
	b.closed = append(b.closed, closed{name, mode})
}

func (b *builder) at(name string, sec, nsec int64) {
	b.times[name] = unix.Timespec{Sec: sec, Nsec: nsec}
}

func (b *builder) chown(name string, uid, gid int) bool {
	return b.err == nil && b.may("owners", name, unix.Lchown(b.path(name), uid, gid))
}

func (b *builder) xattr(what, name, attr string, value []byte) bool {
	return b.err == nil && b.may(what, name, unix.Lsetxattr(b.path(name), attr, value, 0))
}

// noise returns n bytes that do not compress, and are others for each seed.
func noise(seed string, n int) []byte {
	x := uint64(14695981039346656037)
	for _, c := range []byte(seed) {
		x = (x ^ uint64(c)) * 1099511628211
	}
	data := make([]byte, n)
	for i := range data {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		data[i] = byte(x >> 32)
	}
	return data
}
