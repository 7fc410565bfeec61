package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"garret/fs/tree/treetest"
	"garret/index"
)

// damagedTree has lost a chunk of one file, of a large one, and of one with
// several names.
func damagedTree(t *testing.T) *fixture {
	t.Helper()
	contents := [][]byte{noise(1, 3*chunk), noise(2, 3*pieceBytes), noise(3, 3*chunk)}
	f := build(t, treetest.Dir("",
		treetest.File("damaged", string(contents[0])), treetest.File("large", string(contents[1])),
		linked(treetest.File("name", string(contents[2])), 7, 3), treetest.Dir("dir", linked(treetest.File("name", string(contents[2])), 7, 3)),
		linked(treetest.File("other name", string(contents[2])), 7, 3), treetest.File("sound", "x")))
	for _, c := range contents {
		f.store.Lose(index.Data, f.store.ID(index.Data, c[chunk:2*chunk]))
	}
	return f
}

// With Skip there is no file that lacks something, under none of its names; what
// was in its place is still there.
func TestDamagedSkip(t *testing.T) {
	f := damagedTree(t)
	for _, over := range []bool{false, true} {
		o, warnings := f.options(t.TempDir())
		o.Damaged = Skip
		if over {
			o.Overwrite = Replace
			must(t, os.Mkdir(o.Dest+"/dir", 0o755))
			for _, name := range []string{"damaged", "large", "name", "dir/name", "other name"} {
				must(t, os.WriteFile(o.Dest+"/"+name, []byte("old"), 0o600))
			}
		}
		stats, err := Run(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"damaged", "large", "name", "dir/name", "other name"} {
			got, err := os.ReadFile(o.Dest + "/" + name)
			if over {
				if string(got) != "old" {
					t.Errorf("%s, which was there: %d bytes, %v", name, len(got), err)
				}
			} else if !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
		}
		if got, err := os.ReadFile(o.Dest + "/sound"); string(got) != "x" {
			t.Errorf("the sound file: %q, %v", got, err)
		}
		if stats.Files != 1 || stats.HardLinks > 2 || stats.Damaged < 3 {
			t.Errorf("stats %+v", stats)
		}
		told := map[string]bool{}
		for _, w := range *warnings {
			var lost *LostError
			if !errors.As(w.err, &lost) || lost.Damaged != Skip || fmt.Sprint(lost.Ranges) != fmt.Sprint([]Range{{chunk, chunk}}) ||
				!strings.Contains(w.err.Error(), "so it is not restored: bytes 65536-131071: ") {
				t.Errorf("%s: %v", w.path, w.err)
			}
			told[w.path] = true
		}
		if !told[o.Dest+"/damaged"] || !told[o.Dest+"/large"] {
			t.Errorf("warnings %v", *warnings)
		}
	}
}

// With KeepOld, the default, what is lost becomes zeros; but a file that is in the
// way is not replaced by one that lacks something.
func TestDamagedKeepsOld(t *testing.T) {
	f := damagedTree(t)
	names := []string{"damaged", "large", "name", "dir/name", "other name"}
	for _, over := range []bool{false, true} {
		o, warnings := f.options(t.TempDir())
		if over {
			o.Overwrite = Replace
			must(t, os.Mkdir(o.Dest+"/dir", 0o755))
			for _, name := range names {
				must(t, os.WriteFile(o.Dest+"/"+name, []byte("old"), 0o600))
			}
		}
		stats, err := Run(context.Background(), o)
		if err != nil || stats.Damaged < 3 {
			t.Fatalf("%+v, %v", stats, err)
		}
		for _, name := range names {
			got, err := os.ReadFile(o.Dest + "/" + name)
			if over != (string(got) == "old") || !over && (len(got) < 3*chunk || !bytes.Equal(got[chunk:2*chunk], make([]byte, chunk))) {
				t.Errorf("%s, there before: %v: %d bytes, %v", name, over, len(got), err)
			}
		}
		for _, w := range *warnings {
			var lost *LostError
			if !errors.As(w.err, &lost) || lost.Restored() == over {
				t.Errorf("%s: %v", w.path, w.err)
			}
		}
	}
}

// Of a file with several names the old one stays in whose way it is, whatever
// became of the others.
func TestDamagedKeepsOldOfLinks(t *testing.T) {
	f := damagedTree(t)
	for _, there := range []string{"dir/name", "name", "other name"} {
		o, _ := f.options(t.TempDir())
		o.Overwrite = Replace
		must(t, os.Mkdir(o.Dest+"/dir", 0o755))
		must(t, os.WriteFile(o.Dest+"/"+there, []byte("old"), 0o600))
		if _, err := Run(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"dir/name", "name", "other name"} {
			got, err := os.ReadFile(o.Dest + "/" + name)
			if (name == there) != (string(got) == "old") || name != there && len(got) != 3*chunk {
				t.Errorf("%s there: %s: %d bytes, %v", there, name, len(got), err)
			}
		}
	}
}

// With Fail the first loss ends the run, and is named.
func TestDamagedFail(t *testing.T) {
	f := damagedTree(t)
	o, warnings := f.options(t.TempDir())
	o.Damaged = Fail
	_, err := Run(context.Background(), o)
	var lost *LostError
	if !errors.As(err, &lost) || !errors.Is(err, treetest.ErrLost) || !strings.HasPrefix(err.Error(), o.Dest+"/") {
		t.Errorf("%v, warnings %v", err, *warnings)
	}
	for _, name := range []string{"damaged", "large", "name", "dir/name", "other name"} {
		if _, err := os.Lstat(o.Dest + "/" + name); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there: %v", name, err)
		}
	}

	// A list of entries is a loss too.
	f = build(t, treetest.Dir("", treetest.Dir("dir", treetest.File("file", "x")), treetest.File("x", "")))
	f.store.Lose(index.Tree, f.find(t, "dir").Dir.ID)
	f.reopen()
	o, _ = f.options(t.TempDir())
	o.Damaged = Fail
	var list *LostEntriesError
	if _, err := Run(context.Background(), o); !errors.As(err, &list) || list.Entries != 1 {
		t.Errorf("a lost directory: %v", err)
	}
}

// A directory of which nothing can be read costs all that was below it: how much
// that is stands in its parent, and is said.
func TestLostDirectory(t *testing.T) {
	f := build(t, treetest.Dir("", treetest.File("before", "x"),
		treetest.Dir("dir", treetest.Dir("sub", treetest.File("file", "12345"), treetest.File("file2", "678"))), treetest.File("xafter", "x")))
	f.store.Lose(index.Tree, f.find(t, "dir").Dir.ID)
	f.reopen()
	o, warnings := f.options(t.TempDir())
	stats, err := Run(context.Background(), o)
	if err != nil || len(*warnings) != 1 {
		t.Fatal(err, *warnings)
	}
	var lost *LostEntriesError
	if w := (*warnings)[0]; w.path != o.Dest+"/dir" || !errors.As(w.err, &lost) || lost.Of != 1 || lost.Total != 3 || lost.Bytes != 8 {
		t.Errorf("%s: %v", w.path, w.err)
	}
	if stats.Missing != 3 || stats.Files != 2 {
		t.Errorf("stats %+v", stats)
	}
	info, err := os.Stat(o.Dest + "/dir")
	if want := f.specOf("dir"); err != nil || info.ModTime().Unix() != want.ModTime.Sec {
		t.Errorf("the directory itself: %v, %v", info, err)
	}
}
