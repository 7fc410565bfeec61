package diff_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"garret/fs/diff"
	"garret/fs/pattern"
	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/index"
)

var ctx = context.Background()

func build(t testing.TB, s *treetest.Store, spec treetest.Spec, chunk int) *tree.Node {
	t.Helper()
	n, err := s.Build(spec, chunk)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// text is a difference as the tests write it: "+ path", "- path", or "path: kinds".
func text(d diff.Difference) string {
	switch {
	case d.A == nil:
		return "+ " + d.Path
	case d.B == nil:
		return "- " + d.Path
	}
	return d.Path + ":" + strings.ReplaceAll(fmt.Sprint(d.Kinds), "[", " ")[:len(fmt.Sprint(d.Kinds))-1]
}

func differences(t testing.TB, s *treetest.Store, a, b *tree.Node, o diff.Options) ([]string, diff.Stats) {
	t.Helper()
	var list []string
	stats, err := diff.Run(ctx, s, a, b, o, func(d diff.Difference) error {
		list = append(list, text(d))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list, stats
}

// Each thing that can change is named, and nothing else.
func TestKinds(t *testing.T) {
	file := func(change func(*treetest.Spec)) treetest.Spec {
		f := treetest.File("f", "content")
		f.UID, f.GID, f.User, f.Group, f.ModTime = 5, 6, "u", "g", tree.Time{Sec: 7, Nsec: 8}
		f.Xattrs = []tree.Xattr{{Name: "system.posix_acl_access", Value: []byte("a")}, {Name: "user.a", Value: []byte("1")}}
		if change != nil {
			change(&f)
		}
		return f
	}
	device := func(rdev uint64) treetest.Spec {
		return treetest.Spec{Node: tree.Node{Name: "f", Type: tree.CharDevice, Links: 1, Rdev: rdev}}
	}
	plain := file(nil)
	for _, c := range []struct {
		name string
		a, b treetest.Spec
		want string // kinds; "" for no difference
	}{
		{"same", plain, plain, ""},
		{"change time, inode, access and birth time", plain, file(func(f *treetest.Spec) {
			f.ChangeTime, f.Inode, f.AccessTime, f.BirthTime = tree.Time{Sec: 1}, 9, tree.Time{Sec: 2}, tree.Time{Sec: 3}
		}), ""},
		{"content", plain, file(func(f *treetest.Spec) { f.Data = []byte("contenT") }), "content"},
		{"emptied", plain, file(func(f *treetest.Spec) { f.Data = nil }), "content"},
		{"mode", plain, file(func(f *treetest.Spec) { f.Mode = 0o4644 }), "mode"},
		{"user", plain, file(func(f *treetest.Spec) { f.UID = 1 }), "owner"},
		{"group", plain, file(func(f *treetest.Spec) { f.GID = 1 }), "owner"},
		{"name of the user", plain, file(func(f *treetest.Spec) { f.User = "v" }), "owner"},
		{"account deleted", plain, file(func(f *treetest.Spec) { f.User, f.Group = "", "" }), ""},
		{"nanosecond", plain, file(func(f *treetest.Spec) { f.ModTime.Nsec++ }), "mtime"},
		{"ACL", plain, file(func(f *treetest.Spec) { f.Xattrs = f.Xattrs[1:] }), "acl"},
		{"ACL's value", plain, file(func(f *treetest.Spec) { f.Xattrs[0].Value = []byte("b") }), "acl"},
		{"xattr", plain, file(func(f *treetest.Spec) { f.Xattrs[1].Value = nil }), "xattrs"},
		{"xattr added", plain, file(func(f *treetest.Spec) { f.Xattrs = append(f.Xattrs, tree.Xattr{Name: "user.b"}) }), "xattrs"},
		{"xattr renamed and ACL", plain, file(func(f *treetest.Spec) { f.Xattrs = []tree.Xattr{{Name: "user.b"}} }), "acl xattrs"},
		{"flags", plain, file(func(f *treetest.Spec) { f.Flags = 0x10 }), "flags"},
		{"links", plain, file(func(f *treetest.Spec) { f.Links = 2 }), "links"},
		{"target", treetest.Symlink("f", "a"), treetest.Symlink("f", "b"), "target"},
		{"device", device(1), device(2), "device"},
		{"type", plain, treetest.Symlink("f", "a"), "type"},
		{"all", plain, file(func(f *treetest.Spec) {
			f.Data, f.Mode, f.UID, f.ModTime, f.Xattrs, f.Flags, f.Links = []byte("x"), 0, 0, tree.Time{}, nil, 1, 3
		}), "content links mode owner mtime acl xattrs flags"},
		{"directory's link count", treetest.Dir("f"), treetest.Spec{Node: tree.Node{Name: "f", Type: tree.Directory, Mode: 0o755, Links: 9}}, ""},
	} {
		s := treetest.New()
		a, b := build(t, s, treetest.Dir("", c.a), 512), build(t, s, treetest.Dir("", c.b), 512)
		var want, wantContent []string
		if c.want != "" {
			want = []string{"f: " + c.want}
		}
		if k, _, _ := strings.Cut(c.want, " "); slices.Contains([]string{"content", "type", "target", "device"}, k) {
			wantContent = []string{"f: " + k}
		}
		if got, _ := differences(t, s, a, b, diff.Options{}); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", c.name, got, want)
		}
		if got, _ := differences(t, s, a, b, diff.Options{ContentOnly: true}); !slices.Equal(got, wantContent) {
			t.Errorf("%s, content only: %q, want %q", c.name, got, wantContent)
		}
	}
}

// A directory that became a file, and the other way round, takes with it or
// brings what is below it; everything stands in the order of a walk.
func TestOrder(t *testing.T) {
	s := treetest.New()
	f := func(name string) treetest.Spec { return treetest.File(name, name) }
	a := build(t, s, treetest.Dir("", f("a"), treetest.Dir("b", f("x"), treetest.Dir("y", f("z"))), f("b.c"), f("c"), treetest.Dir("gone", f("1"))), 512)
	b := build(t, s, treetest.Dir("", treetest.Dir("a", f("1"), f("2")), f("b"), treetest.File("b.c", "other"), treetest.Dir("new", treetest.Dir("er", f("1")))), 512)
	got, stats := differences(t, s, a, b, diff.Options{Path: "top"})
	want := []string{"top/a: type", "+ top/a/1", "+ top/a/2", "top/b: type", "- top/b/x", "- top/b/y", "- top/b/y/z",
		"top/b.c: content", "- top/c", "- top/gone", "- top/gone/1", "+ top/new", "+ top/new/er", "+ top/new/er/1"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if stats.Added != 5 || stats.Removed != 6 || stats.Changed != 3 || stats.Content != 1 || stats.Bytes.Added != 1+1+1+5+1 || stats.Bytes.Removed != 1+1+1+3+1+1 {
		t.Errorf("%+v", stats)
	}
	stop := errors.New("enough")
	n := 0
	_, err := diff.Run(ctx, s, a, b, diff.Options{}, func(diff.Difference) error {
		if n++; n == 3 {
			return stop
		}
		return nil
	})
	if err != stop || n != 3 {
		t.Errorf("%v after %d", err, n)
	}
}

func TestPatterns(t *testing.T) {
	s := treetest.New()
	f := func(name, data string) treetest.Spec { return treetest.File(name, data) }
	a := build(t, s, treetest.Dir("", treetest.Dir("d", f("a.o", "1"), f("b", "1")), treetest.Dir("e", f("b", "1"))), 512)
	b := build(t, s, treetest.Dir("", treetest.Dir("d", f("a.o", "2"), f("b", "2"), f("c", "")), treetest.Dir("e", f("b", "2")), treetest.Dir("n", f("c", ""))), 512)
	for _, c := range []struct {
		pattern string
		want    []string
	}{
		{"! *.o", []string{"d/a.o: content", "d/b: content", "+ d/c", "e/b: content", "+ n", "+ n/c"}},
		{"! **/*.o", []string{"d/b: content", "+ d/c", "e/b: content", "+ n", "+ n/c"}},
		{"! d", []string{"e/b: content", "+ n", "+ n/c"}},
		{"- n/**", []string{"d/a.o: content", "d/b: content", "+ d/c", "e/b: content"}},
		{"- re:^.$", []string{"d/a.o: content", "d/b: content", "+ d/c", "e/b: content", "+ n/c"}},
		{"! n", []string{"d/a.o: content", "d/b: content", "+ d/c", "e/b: content"}},
	} {
		l := &pattern.List{}
		if err := l.Pattern(c.pattern); err != nil {
			t.Fatal(err)
		}
		if got, _ := differences(t, s, a, b, diff.Options{Patterns: l}); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.pattern, got, c.want)
		}
	}
}

// naive compares two specs without any of the code under test. Files differ in
// their data alone.
func naive(path string, a, b *treetest.Spec, add func(string)) {
	byName := func(s *treetest.Spec) map[string]*treetest.Spec {
		m := make(map[string]*treetest.Spec)
		if s != nil {
			for i := range s.Children {
				m[s.Children[i].Name] = &s.Children[i]
			}
		}
		return m
	}
	x, y := byName(a), byName(b)
	var names []string
	for n := range x {
		names = append(names, n)
	}
	for n := range y {
		if x[n] == nil {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	for _, n := range names {
		p := strings.TrimPrefix(path+"/"+n, "/")
		switch {
		case y[n] == nil:
			add("- " + p)
		case x[n] == nil:
			add("+ " + p)
		case x[n].Type != y[n].Type:
			add(p + ": type")
		case string(x[n].Data) != string(y[n].Data):
			add(p + ": content")
		}
		naive(p, x[n], y[n], add)
	}
}

func randomTree(rng *rand.Rand, n, depth int) treetest.Spec {
	d := treetest.Dir("")
	for i := range n {
		name := fmt.Sprintf("%05d\xff%d", i, rng.IntN(10))
		if depth > 0 && rng.IntN(8) == 0 {
			sub := randomTree(rng, rng.IntN(min(n/2+1, 60)), depth-1)
			sub.Name = name
			d.Children = append(d.Children, sub)
			continue
		}
		d.Children = append(d.Children, treetest.File(name, fmt.Sprint(rng.IntN(1000))))
	}
	return d
}

// change returns a copy with some entries changed, removed, added, and of
// another type.
func change(rng *rand.Rand, s treetest.Spec, oneIn int) treetest.Spec {
	children := s.Children
	s.Children = nil
	for _, c := range children {
		switch k := rng.IntN(5 * oneIn); {
		case k == 0:
			continue
		case k == 1:
			name := fmt.Sprintf("%s+%d", c.Name, rng.Uint64())
			extra := treetest.File(name, "new")
			if rng.IntN(3) == 0 {
				extra = randomTree(rng, 20, 1)
				extra.Name = name
			}
			s.Children = append(s.Children, extra)
		case k == 2 && c.Type == tree.Regular:
			c.Data = append(slices.Clone(c.Data), 'x')
		case k == 3:
			if c.Type == tree.Regular {
				c = treetest.Dir(c.Name, treetest.File("inside", "x"))
			} else {
				c = treetest.File(c.Name, "was a directory")
			}
		case c.Type == tree.Directory:
			c = change(rng, c, oneIn)
		}
		s.Children = append(s.Children, c)
	}
	return s
}

// Whatever pages the trees have, the merge finds what comparing every entry
// finds.
func TestAgreesWithNaive(t *testing.T) {
	for seed := range 15 {
		rng := rand.New(rand.NewPCG(uint64(seed), 3))
		s := treetest.New()
		from := randomTree(rng, []int{0, 1, 30, 700, 2000}[seed%5], 2)
		to := change(rng, from, []int{2, 20, 400}[seed%3])
		if seed%6 == 5 {
			to = randomTree(rng, 300, 2) // nothing in common
		}
		var want []string
		naive("", &from, &to, func(s string) { want = append(want, s) })
		a, b := build(t, s, from, 512), build(t, s, to, 512)
		got, _ := differences(t, s, a, b, diff.Options{})
		if !slices.Equal(got, want) {
			t.Errorf("seed %d: %d differences, want %d", seed, len(got), len(want))
		}
		back, _ := differences(t, s, b, a, diff.Options{})
		if len(back) != len(want) {
			t.Errorf("seed %d: %d differences the other way, want %d", seed, len(back), len(want))
		}
	}
}

// Ten changes among 200,000 entries cost the pages that they stand in, on both
// sides: not the tree.
func TestReadsWhatChanged(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	s := treetest.New()
	root := treetest.Dir("")
	for i := range 20 {
		d := treetest.Dir(fmt.Sprintf("d%02d", i))
		for j := range 100 {
			sub := treetest.Dir(fmt.Sprintf("s%03d", j))
			for k := range 50 {
				sub.Children = append(sub.Children, treetest.File(fmt.Sprintf("f%02d", k), fmt.Sprint(i, j, k)))
			}
			d.Children = append(d.Children, sub)
		}
		root.Children = append(root.Children, d)
	}
	wide := treetest.Dir("wide")
	for i := range 100000 {
		wide.Children = append(wide.Children, treetest.File(fmt.Sprintf("file%06d", i), ""))
	}
	root.Children = append(root.Children, wide)
	a := build(t, s, root, 512)
	for range 5 {
		i, j, k := rng.IntN(20), rng.IntN(100), rng.IntN(50)
		root.Children[i].Children[j].Children[k].Data = []byte("changed")
		root.Children[20].Children[rng.IntN(100000)].Data = []byte("changed")
	}
	b := build(t, s, root, 512)
	before := s.Stats().Loads
	got, stats := differences(t, s, a, b, diff.Options{})
	loads := s.Stats().Loads - before
	// Of each of five files deep down: root, directory, subdirectory; of each
	// in the wide directory: its page and two above. Twice.
	if len(got) != 10 || uint64(loads) != stats.Pages || loads > 2*(1+5*2+1+5+5) {
		t.Errorf("%d differences in %d of %d pages", len(got), loads, s.Len(index.Tree))
	}
	before = s.Stats().Loads
	if got, _ := differences(t, s, a, a, diff.Options{}); len(got) != 0 || s.Stats().Loads != before {
		t.Errorf("a tree and itself: %d differences, %d loads", len(got), s.Stats().Loads-before)
	}
}

// A tree that is gone in parts ends in the loader's error, not in a list of
// files that seem to be removed.
func TestLost(t *testing.T) {
	s := treetest.New()
	a := build(t, s, treetest.Dir("", treetest.Dir("d", treetest.File("a", "1"))), 512)
	b := build(t, s, treetest.Dir("", treetest.Dir("d", treetest.File("a", "2"))), 512)
	d, err := tree.ParseDirPage(s.Page(b.Dir.ID))
	if err != nil {
		t.Fatal(err)
	}
	s.Lose(index.Tree, d.Dir(0).ID)
	_, err = diff.Run(ctx, s, a, b, diff.Options{}, func(d diff.Difference) error { return fmt.Errorf("told of %s", text(d)) })
	if !errors.Is(err, treetest.ErrLost) || !strings.HasPrefix(err.Error(), `"d": `) {
		t.Error(err)
	}
}

// A page that is not what its parent says is refused.
func TestForged(t *testing.T) {
	s := treetest.New()
	a := build(t, s, treetest.Dir("", treetest.File("a", "1")), 512)
	b := build(t, s, treetest.Dir("", treetest.File("a", "2"), treetest.File("b", "")), 512)
	s.Forge(index.Tree, b.Dir.ID, s.Page(a.Dir.ID))
	if _, err := diff.Run(ctx, s, a, b, diff.Options{}, func(diff.Difference) error { return nil }); !errors.Is(err, tree.ErrInvalid) {
		t.Error(err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := diff.Run(canceled, s, a, b, diff.Options{}, func(diff.Difference) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
