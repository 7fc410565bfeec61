package mount

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
)

func number(n uint32) *uint32 { return &n }

// asUser has a helper read a file as another user, and returns what it read, or
// why it could not.
func asUser(t *testing.T, uid, gid uint32, path string) string {
	t.Helper()
	cmd := helper("visitor", path)
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	return string(out)
}

// acl returns a POSIX ACL: the owner may do everything, the group, one user by
// name and others what is said.
func acl(user uint32, named, group, others byte) []byte {
	b := []byte{2, 0, 0, 0}
	for _, e := range []struct {
		tag, permissions byte
		id               uint32
	}{{1, 7, ^uint32(0)}, {2, named, user}, {4, group, ^uint32(0)}, {16, 7, ^uint32(0)}, {32, others, ^uint32(0)}} {
		b = append(b, e.tag, 0, e.permissions, 0, byte(e.id), byte(e.id>>8), byte(e.id>>16), byte(e.id>>24))
	}
	return b
}

func withACL(i *item, mode uint16, acl []byte) *item {
	return i.with(func(n *tree.Node) {
		n.Mode, n.UID, n.GID = mode, 500, 500
		n.Xattrs = []tree.Xattr{{Name: aclAccess, Value: acl}}
	})
}

// An owner, a group and permissions that are put over the stored ones show
// everywhere, above the snapshots too, and links keep theirs.
func TestOwnerAndUmask(t *testing.T) {
	root := func() *item {
		return dir("", text("f", "x").with(func(n *tree.Node) { n.Mode, n.UID, n.GID = 0o600, 7, 8 }),
			text("program", "#!").with(func(n *tree.Node) { n.Mode, n.UID = 0o4711, 7 }),
			symlink("link", "f").with(func(n *tree.Node) { n.Mode = 0o777 }),
			withACL(text("acl", ""), 0o640, acl(7, 4, 0, 0)))
	}
	a := &memArchive{}
	a.add(t, dated("aa", 0), root())
	for _, versions := range []bool{false, true} {
		mnt, _ := mountArchive(t, a, Options{UID: number(1234), GID: number(4321), Umask: number(0o027), Versions: versions})
		prefix, last := "/latest/", ""
		if versions {
			prefix, last = "/", "/2026-11-22T13-00-00Z"
		}
		for path, want := range map[string]uint32{
			"": syscall.S_IFDIR | 0o750, strings.TrimSuffix(prefix, "/") + "/.": syscall.S_IFDIR | 0o750,
			prefix + "f" + last: syscall.S_IFREG | 0o640, prefix + "program" + last: syscall.S_IFREG | 0o750,
			prefix + "link" + last: syscall.S_IFLNK | 0o777, prefix + "acl" + last: syscall.S_IFREG | 0o640,
		} {
			for range 2 { // out of LOOKUP, then out of READDIRPLUS
				var st unix.Stat_t
				if err := unix.Lstat(mnt+path, &st); err != nil || st.Mode != want || st.Uid != 1234 || st.Gid != 4321 {
					t.Errorf("%q: mode %o, owner %d:%d, %v; want mode %o", path, st.Mode, st.Uid, st.Gid, err, want)
				}
				if path != "" {
					names(t, filepath.Dir(mnt+path))
				}
			}
		}
		file := mnt + prefix + "acl" + last
		if n, err := unix.Llistxattr(file, make([]byte, 100)); n != 0 || err != nil {
			t.Errorf("an ACL is listed beside other permissions: %d bytes, %v", n, err)
		}
		if _, err := unix.Lgetxattr(file, aclAccess, make([]byte, 100)); err != unix.EOPNOTSUPP {
			t.Errorf("an ACL is shown beside other permissions: %v", err)
		}
	}
	// Without a umask, the ACL stays as it is stored.
	mnt, _ := mountArchive(t, a, Options{UID: number(1234)})
	buf := make([]byte, 100)
	if n, err := unix.Lgetxattr(mnt+"/latest/acl", aclAccess, buf); err != nil || !bytes.Equal(buf[:n], acl(7, 4, 0, 0)) {
		t.Errorf("the ACL: %v, %v", buf[:n], err)
	}
}

// With AllowOther, nobody reads what a stored mode or ACL does not let him: not
// even if ACLs come into the archive only after it was mounted, nor through an
// owner that is shown in the place of the stored one.
func TestPermissionsHold(t *testing.T) {
	const user, other = 1000, 1001
	root := dir("",
		text("closed", "x").with(func(n *tree.Node) { n.Mode, n.UID = 0o600, 500 }),
		withACL(text("denied", "x"), 0o774, acl(user, 0, 4, 4)),
		withACL(text("granted", "for you"), 0o770, acl(user, 4, 0, 0)),
		text("open", "for all"),
	)
	want := map[uint32]map[string]string{
		user:  {"closed": "permission denied", "denied": "permission denied", "granted": "for you", "open": "for all"},
		other: {"closed": "permission denied", "denied": "x", "granted": "permission denied", "open": "for all"},
	}
	plain := func() Snapshot {
		s := dated("aa", 0)
		s.XattrFamilies = []string{}
		return s
	}
	for what, o := range map[string]Options{"plain": {}, "owner": {UID: number(77), GID: number(78)}, "versions": {Versions: true}} {
		a := &memArchive{}
		a.add(t, plain(), dir("", text("only plain", "")))
		o.AllowOther, o.Interval = true, testInterval
		mnt := reachableDir(t)
		s, err := Mount(mnt, a, o)
		if err != nil {
			t.Fatal(err)
		}
		unmountAfter(t, s)
		a.add(t, dated("bb", 1), root.clone())
		path := func(name string) string {
			if o.Versions {
				return mnt + "/" + name + "/2026-11-22T14-00-00Z"
			}
			return mnt + "/latest/" + name
		}
		eventually(t, "the snapshot with ACLs", func() bool { _, err := os.Stat(path("open")); return err == nil })
		for uid, files := range want {
			for name, want := range files {
				if got := asUser(t, uid, uid, path(name)); got != want {
					t.Errorf("%s: user %d reads %s: %q, want %q", what, uid, name, got, want)
				}
			}
		}
	}
}

// A mount of one tree without ACLs needs no questions for them; one with them
// does not lock everybody out of the files that have none.
func TestACLFamilyOfOneTree(t *testing.T) {
	for _, families := range [][]string{nil, {}, {"user"}, {"system.posix_acl_access"}} {
		opened, _ := newTree(t, dir("", text("open", "for all")))
		mnt := reachableDir(t)
		s, err := MountTree(mnt, opened, opened.Root(), Options{AllowOther: true, XattrFamilies: families})
		if err != nil {
			t.Fatal(err)
		}
		unmountAfter(t, s)
		if got := asUser(t, 1000, 1000, mnt+"/open"); got != "for all" {
			t.Errorf("families %q: %q", families, got)
		}
	}
}

func TestNoExec(t *testing.T) {
	for _, via := range []bool{false, true} {
		if via {
			needFusermount(t)
		}
		mnt := mountTree(t, dir(""), Options{NoExec: true, viaFusermount: via})
		var st unix.Statfs_t
		if err := unix.Statfs(mnt, &st); err != nil || st.Flags&unix.ST_NOEXEC == 0 || st.Flags&unix.ST_RDONLY == 0 ||
			st.Flags&unix.ST_NOSUID == 0 || st.Flags&unix.ST_NODEV == 0 {
			t.Errorf("through fusermount %v: flags %#x, %v", via, st.Flags, err)
		}
	}
}

// A file is mapped into memory, holes and all. Another process does it: a page
// fault holds up the Go scheduler, and with it a server in the same process.
func TestMmap(t *testing.T) {
	f := file("f", piece{data: noise(1, 70000)}, piece{hole: 300000}, piece{data: noise(2, 131)})
	mnt := mountTree(t, dir("", f), Options{})
	got, err := helper("mapped", mnt+"/f").Output()
	if err != nil || !bytes.Equal(got, append(f.content(), f.content()...)) {
		t.Errorf("the mapped bytes differ: %d, %v", len(got), err)
	}
}

// helpMapped writes a file out of memory that it is mapped to, twice.
func helpMapped() error {
	f, err := os.Open(os.Getenv(dirVariable))
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	for _, flags := range []int{unix.MAP_PRIVATE, unix.MAP_SHARED} {
		b, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, flags)
		if err != nil {
			return err
		}
		if _, err := os.Stdout.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// Where fuse.conf forbids allow_other, the error says what to do.
func TestAllowOtherForbidden(t *testing.T) {
	needFusermount(t)
	inNamespace(t, "forbidden", reachableDir(t))
}

func helpForbidden() error {
	mnt := os.Getenv(dirVariable)
	if os.Geteuid() == 0 {
		node := mnt + ".fuse"
		if err := unix.Mknod(node, unix.S_IFCHR, int(unix.Mkdev(10, 229))); err != nil {
			return err
		}
		if err := errors.Join(os.Chmod(node, 0o666), os.Chown(mnt, nobody, nobody), replace(device, node)); err != nil {
			return err
		}
		if _, err := os.Stat("/etc/fuse.conf"); err == nil {
			if err := replace("/etc/fuse.conf", "/dev/null"); err != nil {
				return err
			}
		}
		cmd := helper("forbidden", mnt)
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	opened, err := buildForHelper(dir(""))
	if err != nil {
		return err
	}
	_, err = MountTree(mnt, opened, opened.Root(), Options{AllowOther: true})
	if !errors.Is(err, ErrAllowOther) {
		return fmt.Errorf("allow_other where it is forbidden: %w", err)
	}
	return nil
}

// away is an archive that can be out of reach.
type away struct {
	*memArchive
	err error
}

func (a *away) Snapshots(ctx context.Context) ([]Snapshot, error) {
	if err := a.reachable(ctx); err != nil {
		return nil, err
	}
	return a.memArchive.Snapshots(ctx)
}

func (a *away) reachable(context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}
