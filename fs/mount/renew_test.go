package mount

import (
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
)

// archiveWithout returns an archive of one snapshot without extended attributes.
func archiveWithout(t *testing.T) *memArchive {
	t.Helper()
	a := &memArchive{}
	first := dated("1a2b3c4d", 0)
	first.XattrFamilies = []string{}
	a.add(t, first, dir("", file("f", piece{data: noise(1, 300_000)})))
	return a
}

// addWith adds a snapshot whose file f has an attribute.
func addWith(t *testing.T, a *memArchive, families ...string) (name string) {
	t.Helper()
	s := dated("2a2b3c4d", 1)
	s.XattrFamilies = families
	a.add(t, s, dir("", text("f", "").with(func(n *tree.Node) {
		n.Xattrs = []tree.Xattr{{Name: "user.a", Value: []byte("value")}}
	})))
	return mustName(t, a, s.ID)
}

func mustName(t *testing.T, a *memArchive, id string) string {
	t.Helper()
	list, _ := a.Snapshots(t.Context())
	c, err := newCatalog(nil, list, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return c.byID[id].name
}

func current(s *Server) *connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connection
}

func denied(c *connection) bool {
	c.f.list.denying.Lock()
	defer c.f.list.denying.Unlock()
	return c.f.list.denied
}

// In a mount without any extended attributes the kernel is told so, once. When a
// snapshot comes that has some, they are there as soon as it is; and who has
// something open goes on reading.
func TestAttributesComeLater(t *testing.T) {
	for _, via := range []bool{false, true} {
		if via {
			needFusermount(t)
		}
		a := archiveWithout(t)
		mnt, s := mountArchive(t, a, Options{viaFusermount: via})
		before := current(s)
		old := firstName(t, mnt+"/snapshots") + "/f"
		value := make([]byte, 100)
		for range 2 {
			if _, err := unix.Lgetxattr(old, "user.a", value); err != unix.EOPNOTSUPP {
				t.Fatal(err)
			}
		}
		if !denied(before) {
			t.Error("the kernel goes on asking")
		}
		open, err := os.Open(old)
		if err != nil {
			t.Fatal(err)
		}
		within, err := os.Open(mnt)
		if err != nil {
			t.Fatal(err)
		}
		fresh := mnt + "/snapshots/" + addWith(t, a, "user") + "/f"
		eventually(t, "the snapshot is there", func() bool {
			if _, err := os.Lstat(fresh); err != nil {
				return false
			}
			n, err := unix.Lgetxattr(fresh, "user.a", value)
			if err != nil || string(value[:n]) != "value" {
				t.Fatalf("it is there without its attributes: %q, %v", value[:max(n, 0)], err)
			}
			return true
		})
		if current(s) == before {
			t.Error("through the connection that knows of none")
		}
		if got, err := io.ReadAll(open); err != nil || len(got) != 300_000 {
			t.Errorf("a file that was open: %d bytes, %v", len(got), err)
		}
		var st unix.Stat_t
		time.Sleep(3 * testInterval)
		if err := unix.Fstatat(int(within.Fd()), fresh[len(mnt)+1:], &st, 0); err != unix.ENOENT {
			t.Errorf("the old mount shows the snapshot: %v", err)
		}
		if n := len(names(t, mnt+"/snapshots")); n != 2 {
			t.Errorf("%d snapshots", n)
		}
		select {
		case <-before.ended:
			t.Error("the old connection has ended while it is in use")
		default:
		}
		open.Close()
		within.Close()
		<-before.ended // or the test hangs
		if err := s.Unmount(); err != nil {
			t.Fatal(err)
		}
		s.Wait()
	}
}

// Where attributes are known to occur from the start, and in an empty archive,
// nothing has to be made anew.
func TestAttributesAreThere(t *testing.T) {
	with, empty := archiveWithout(t), &memArchive{}
	addWith(t, with, "user")
	for what, a := range map[string]*memArchive{"with": with, "empty": empty} {
		mnt, s := mountArchive(t, a, Options{})
		before := current(s)
		for _, name := range []string{"user.a", "security.capability"} {
			_, _ = unix.Lgetxattr(mnt, name, make([]byte, 100)) // what it answers does not matter
		}
		s3 := dated("3a2b3c4d", 2)
		s3.XattrFamilies = []string{"security"}
		a.add(t, s3, dir("", text("f", "")))
		fresh := mnt + "/snapshots/" + mustName(t, a, s3.ID)
		eventually(t, "the snapshot is there", func() bool { _, err := os.Lstat(fresh); return err == nil })
		if denied(before) || current(s) != before {
			t.Errorf("%s: the mount was made anew", what)
		}
	}
}

// A mount that is unmounted while it would be made anew ends, and is not made anew.
func TestUnmountedBeforeRenewal(t *testing.T) {
	a := archiveWithout(t)
	mnt, s := mountArchive(t, a, Options{})
	if _, err := unix.Lgetxattr(firstName(t, mnt+"/snapshots")+"/f", "user.a", nil); err != unix.EOPNOTSUPP {
		t.Fatal(err)
	}
	a.change(func() { a.delay = 300 * time.Millisecond })
	addWith(t, a, "user")
	time.Sleep(2 * testInterval)
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		_, _ = os.ReadDir(mnt + "/snapshots") // has the list made, which takes time
	}()
	time.Sleep(50 * time.Millisecond)
	if err := Unmount(mnt, true); err != nil {
		t.Fatal(err)
	}
	<-looked
	s.Wait()
	if m, isRoot, err := mountAt(mnt); err != nil || isRoot {
		t.Errorf("%v is mounted, %v", m, err)
	}
}
