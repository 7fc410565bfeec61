package mount

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
)

// reachableDir returns a directory that every user can get to.
func reachableDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A server that was killed leaves a directory that answers ENOTCONN. The next
// mount clears it away.
func TestKilledServer(t *testing.T) {
	mnt := filepath.Join(t.TempDir(), "with space\nand newline")
	if err := os.Mkdir(mnt, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(mnt, unix.MNT_DETACH) }) // if the test fails
	if dead, err := ClearDead(mnt); dead || err != nil {
		t.Errorf("nothing mounted: %v, %v", dead, err)
	}
	cmd, stop := startHelper(t, "serve", mnt)
	if dead, err := ClearDead(mnt); dead || err != nil {
		t.Errorf("alive: %v, %v", dead, err)
	}
	cmd.Process.Kill()
	stop()
	if _, err := os.Stat(mnt); unwrapErrno(err) != unix.ENOTCONN {
		t.Fatalf("after the kill: %v", err)
	}
	if dead, err := ClearDead(mnt); !dead || err != nil {
		t.Errorf("dead: %v, %v", dead, err)
	}

	// Again, and now Mount does it; a file in use does not prevent it.
	cmd, stop = startHelper(t, "serve", mnt)
	open, err := os.Open(mnt + "/sizes/one")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	cmd.Process.Kill()
	stop()
	root := uglyTree()
	opened, _ := newTree(t, root)
	s, err := MountTree(mnt, opened, opened.Root(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	unmountAfter(t, s)
	compare(t, mnt, root)
}

// A mount of another kind is not ours to clear or unmount.
func TestOthersMounts(t *testing.T) {
	mnt := t.TempDir()
	if err := unix.Mount("tmpfs", mnt, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(mnt, unix.MNT_DETACH) })
	if dead, err := ClearDead(mnt); dead || err != nil {
		t.Errorf("%v, %v", dead, err)
	}
	for _, dir := range []string{mnt, t.TempDir()} {
		if err := Unmount(dir, true); !errors.Is(err, ErrNotMounted) {
			t.Errorf("unmounting %s: %v", dir, err)
		}
	}
	if err := Unmount(mnt+"/missing", false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unmounting what is missing: %v", err)
	}
}

func TestBusy(t *testing.T) {
	opened, _ := newTree(t, dir("", dir("sub")))
	mnt := t.TempDir()
	s, err := MountTree(mnt, opened, opened.Root(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(mnt, unix.MNT_DETACH) }) // if the test fails
	if err := Unmount(mnt+"/sub", false); !errors.Is(err, ErrNotMounted) {
		t.Errorf("unmounting a directory of the mount: %v", err)
	}
	cmd, stop := startHelper(t, "hold", mnt+"/sub")
	for _, unmount := range []func() error{s.Unmount, func() error { return Unmount(mnt, false) }} {
		err := unmount()
		if !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", cmd.Process.Pid)) {
			t.Errorf("unmounting while busy: %v", err)
		}
	}
	if err := Unmount(mnt, true); err != nil {
		t.Errorf("lazily: %v", err)
	}
	select {
	case <-s.done:
		t.Error("the server ended under its last user")
	default:
	}
	stop()
	s.Wait()
	if err := s.Unmount(); err != nil {
		t.Errorf("when it is over: %v", err)
	}
}

// Somebody else's umount ends the server.
func TestUnmountedFromOutside(t *testing.T) {
	opened, _ := newTree(t, dir("", dir("sub")))
	mnt := t.TempDir()
	s, err := MountTree(mnt, opened, opened.Root(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Unmount(mnt, 0); err != nil {
		t.Fatal(err)
	}
	s.Wait()
	if err := s.Unmount(); err != nil {
		t.Error(err)
	}
}

func TestWhereItCannotBeMounted(t *testing.T) {
	opened, _ := newTree(t, dir("", text("f", "x")))
	root := opened.Root()
	tmp := t.TempDir()
	path := tmp + "/file"
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := MountTree(path, opened, root, Options{}); !errors.Is(err, ErrNotDirectory) {
		t.Errorf("over a file: %v", err)
	}
	if _, err := MountTree(tmp+"/missing", opened, root, Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("where nothing is: %v", err)
	}
	// Over a directory that is not empty, through a symbolic link.
	if err := os.Symlink(tmp, tmp+"/link"); err != nil {
		t.Fatal(err)
	}
	s, err := MountTree(tmp+"/link", opened, root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	unmountAfter(t, s)
	if got := firstName(t, tmp); got != tmp+"/f" {
		t.Errorf("shown: %s", got)
	}
	if _, err := MountTree(tmp, opened, root, Options{}); !errors.Is(err, ErrMounted) {
		t.Errorf("twice: %v", err)
	}
}

// inNamespace has a helper see mounts of its own, which end with it.
func inNamespace(t *testing.T, name, dir string) {
	t.Helper()
	cmd := helper(name, dir)
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWNS
	runHelper(t, cmd)
}

// replace bind-mounts one file over another in a helper's namespace.
func replace(path, by string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	return unix.Mount(by, path, "", unix.MS_BIND, "")
}

// needFusermount skips where fusermount3 is not installed, but not in CI, which
// installs it.
func needFusermount(t *testing.T) {
	t.Helper()
	if _, err := fusermountPath(); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("fusermount3 is missing: CI must install the package fuse3")
	}
	t.Skip("fusermount3 is not installed (package fuse3)")
}

// A user who is not root mounts through fusermount3.
func TestUnprivileged(t *testing.T) {
	needFusermount(t)
	inNamespace(t, "unprivileged", reachableDir(t))
}

const nobody = 65534

func helpUnprivileged() error {
	mnt := os.Getenv(dirVariable)
	if os.Geteuid() == 0 {
		// As most systems have it, which this one may not.
		node := mnt + ".fuse"
		if err := unix.Mknod(node, unix.S_IFCHR, int(unix.Mkdev(10, 229))); err != nil {
			return err
		}
		if err := errors.Join(os.Chmod(node, 0o666), os.Chown(mnt, nobody, nobody), replace(device, node)); err != nil {
			return err
		}
		cmd := helper("unprivileged", mnt)
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		// Now without fusermount3.
		program, err := fusermountPath()
		if err != nil {
			return err
		}
		if err := replace(program, "/dev/null"); err != nil {
			return err
		}
		cmd = helper("unprivileged", mnt)
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		if out, err = cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "fusermount3 is not installed") {
			return fmt.Errorf("without fusermount3: %w: %s", err, out)
		}
		return nil
	}

	opened, err := buildForHelper(uglyTree())
	if err != nil {
		return err
	}
	s, err := MountTree(mnt, opened, opened.Root(), Options{FSName: `my,own\ one`})
	if err != nil {
		return err
	}
	got, err := os.ReadFile(mnt + "/modes/none") // whose mode is 0, and who is another's
	if err != nil || string(got) != "secret" {
		return fmt.Errorf("%q, %w", got, err)
	}
	mounts, _ := os.ReadFile("/proc/self/mounts")
	if !strings.Contains(string(mounts), " "+mnt+" fuse.garret ro,nosuid,nodev,") {
		return fmt.Errorf("mounted as %s", mounts)
	}
	if _, err := MountTree(mnt+".fuse", opened, opened.Root(), Options{}); !errors.Is(err, ErrNotDirectory) {
		return fmt.Errorf("over a file: %w", err)
	}
	if _, err := MountTree("/proc", opened, opened.Root(), Options{}); err == nil || strings.Contains(err.Error(), "exit status") {
		return fmt.Errorf("error without what fusermount3 says: %w", err)
	}
	open, err := os.Open(mnt + "/sizes/one")
	if err != nil {
		return err
	}
	if err := s.Unmount(); !errors.Is(err, ErrBusy) {
		return fmt.Errorf("unmounting while busy: %w", err)
	}
	open.Close()
	return s.Unmount()
}

// A system without FUSE is told from one where something else is wrong.
func TestNoDevice(t *testing.T) { inNamespace(t, "nodevice", t.TempDir()) }

func helpNoDevice() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", filepath.Dir(device), "tmpfs", 0, ""); err != nil {
		return err
	}
	opened, err := buildForHelper(dir(""))
	if err != nil {
		return err
	}
	if _, err := MountTree(os.Getenv(dirVariable), opened, opened.Root(), Options{}); !errors.Is(err, ErrNoFUSE) {
		return fmt.Errorf("without %s: %w", device, err)
	}
	return nil
}

// Other users get in with AllowOther, and then only as far as the stored
// permissions and ACLs let them.
func TestAllowOther(t *testing.T) {
	const user = 1000
	root := func() *item {
		return dir("",
			text("open", "for all").with(func(n *tree.Node) { n.Mode = 0o644 }),
			text("closed", "x").with(func(n *tree.Node) { n.Mode = 0o600 }),
			text("own", "mine").with(func(n *tree.Node) { n.Mode, n.UID = 0o600, user }),
			text("listed", "by name").with(func(n *tree.Node) {
				n.Mode = 0o770
				n.Xattrs = []tree.Xattr{{Name: "system.posix_acl_access", Value: aclFor(user, 4)}}
			}),
			dir("private", text("inside", "x")).with(func(n *tree.Node) { n.Mode = 0o700 }),
		)
	}
	for _, allow := range []bool{true, false} {
		opened, _ := newTree(t, root())
		mnt := reachableDir(t)
		s, err := MountTree(mnt, opened, opened.Root(), Options{AllowOther: allow})
		if err != nil {
			t.Fatal(err)
		}
		unmountAfter(t, s)
		for name, want := range map[string]string{
			"open": "for all", "own": "mine", "listed": "by name",
			"closed": "permission denied", "private/inside": "permission denied",
		} {
			if !allow {
				want = "permission denied"
			}
			cmd := helper("visitor", mnt+"/"+name)
			cmd.SysProcAttr.Credential = &syscall.Credential{Uid: user, Gid: user}
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != want {
				t.Errorf("allow %v: %s: %q, %v; want %q", allow, name, out, err, want)
			}
		}
	}
}

func helpVisitor() error {
	got, err := os.ReadFile(os.Getenv(dirVariable))
	if err != nil {
		got = []byte(unwrapErrno(err).Error())
	}
	_, err = os.Stdout.Write(got)
	return err
}

// Everything is as good through fusermount3.
func TestThroughFusermount(t *testing.T) {
	needFusermount(t)
	root := uglyTree()
	mnt := mountTree(t, root, Options{viaFusermount: true})
	compare(t, mnt, root)
}
