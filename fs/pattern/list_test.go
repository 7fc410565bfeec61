package pattern

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// build makes a list of options, "exclude *.o", "select home".
func build(t testing.TB, options ...string) *List {
	t.Helper()
	l := &List{}
	for _, o := range options {
		name, arg, _ := strings.Cut(o, " ")
		var err error
		switch name {
		case "exclude":
			err = l.Exclude(arg)
		case "exclude-from":
			err = l.ExcludeFrom(strings.NewReader(arg), "file")
		case "pattern":
			err = l.Pattern(arg)
		case "patterns-from":
			err = l.PatternsFrom(strings.NewReader(arg), "file")
		case "select":
			err = l.Select(arg)
		default:
			t.Fatalf("no option %q", name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// verdicts returns a letter a path: i, x (excluded), or ! (with all below).
func verdicts(l *List, paths ...string) string {
	var b strings.Builder
	for _, p := range paths {
		b.WriteByte("ix!"[l.Verdict(p)])
	}
	return b.String()
}

// Which rule decides. A file of a user who comes from Borg must select here what
// it did there.
func TestVerdict(t *testing.T) {
	paths := []string{"data", "data/something00.txt", "data/subdir/something01.txt", "home", "home/leo", "home/leo/t", "home/other"}
	for _, c := range []struct {
		options []string
		want    string // of each path
	}{
		{nil, "iiiiiii"},
		{[]string{"patterns-from "}, "iiiiiii"},
		{[]string{"patterns-from # Comment only"}, "iiiiiii"},
		{[]string{"patterns-from - *"}, "xxxxxxx"},
		{[]string{"patterns-from ! *"}, "!!!!!!!"},
		{[]string{"exclude *"}, "!!!!!!!"},
		{[]string{"exclude-from *"}, "!!!!!!!"},
		// The default style is sh for patterns: * does not match a /.
		{[]string{"patterns-from -*/something0?.txt"}, "ixiiiii"},
		{[]string{"pattern -*/something0?.txt"}, "ixiiiii"},
		{[]string{"patterns-from -fm:*/something00.txt"}, "ixiiiii"},
		{[]string{"patterns-from -fm:*/something0?.txt"}, "ixxiiii"},
		{[]string{"exclude */something0?.txt"}, "i!!iiii"},
		{[]string{"exclude-from sh:*/something0?.txt"}, "i!iiiii"},
		{[]string{"patterns-from P fm\n-*/something0?.txt"}, "ixxiiii"},
		{[]string{"patterns-from p re\n- 01"}, "iixiiii"},
		{[]string{"patterns-from P pp\n- */x\n- data"}, "xxxiiii"},
		{[]string{"patterns-from P fm\n- *01.txt\nP sh\n- *00.txt"}, "iixiiii"},
		// P is for the rest of its file alone.
		{[]string{"patterns-from P fm", "patterns-from - *.txt"}, "iiiiiii"},
		{[]string{"patterns-from P fm", "pattern - *.txt"}, "iiiiiii"},
		// The first that matches wins.
		{[]string{"patterns-from +/*/something0?.txt\n-/data"}, "xixiiii"},
		{[]string{"patterns-from +fm:*/something00.txt\n-/data"}, "xixiiii"},
		{[]string{"patterns-from +/home/leo\n-/home/*"}, "iiiiiix"},
		{[]string{"patterns-from -/home/*\n+/home/leo"}, "iiiixxx"},
		{[]string{"patterns-from +fm:/home/leo\n-/home/"}, "iiiiiix"},
		{[]string{"pattern + home/leo", "exclude home"}, "iii!ii!"},
		{[]string{"exclude home", "pattern + home/leo"}, "iii!!!!"},
		{[]string{"pattern +re:t$", "exclude home"}, "iii!!i!"},
		{[]string{"exclude home/leo/", "pattern - home"}, "iiixx!x"},
		{[]string{"pattern - home", "exclude home/leo/"}, "iiixxxx"},
		{[]string{"pattern - home/leo", "pattern ! home"}, "iii!xx!"},
		{[]string{"exclude-from home\n\n# data\n  *01.txt  "}, "ii!!!!!"},
		{[]string{"exclude-from data\r\nhome/leo\rhome/other"}, "!!!i!!!"},
		{[]string{"exclude-from \ufeffdata"}, "!!!iiii"},
		// Of pf the last counts, and before all others.
		{[]string{"pattern + home", "exclude pf:home/leo"}, "iiii!ii"},
		{[]string{"exclude home", "pattern + pf:home/leo/t"}, "iii!!i!"},
		{[]string{"pattern + pf:home", "pattern - pf:home"}, "iiixiii"},
		{[]string{"exclude pf:home", "pattern + pf:/home"}, "iiiiiii"},
		// Path arguments: what they do not reach is not looked at.
		{[]string{"select home/leo"}, "!!!xii!"},
		{[]string{"select home/leo", "select data"}, "iiixii!"},
		{[]string{"select home/le"}, "!!!x!!!"},
		{[]string{"select /"}, "iiiiiii"},
		{[]string{"select nothing"}, "!!!!!!!"},
		{[]string{"select pf:home/leo"}, "!!!xix!"},
		{[]string{"select sh:home/*/t"}, "!!!xxix"},
		{[]string{"select fm:*.txt"}, "xiixxxx"},
		{[]string{"select re:leo"}, "xxxxiix"},
		{[]string{"exclude home/leo/t", "select home"}, "!!!ii!i"},
		{[]string{"pattern + data/sub*", "select home/other"}, "x!ix!!i"},
		{[]string{"pattern - **/t", "select home/leo"}, "!!!xix!"},
	} {
		if got := verdicts(build(t, c.options...), paths...); got != c.want {
			t.Errorf("%q: %s, want %s", c.options, got, c.want)
		}
	}
}

// The example of Borg's manual.
func TestManual(t *testing.T) {
	l := build(t, `patterns-from # "sh:" pattern style is the default, so the following line is not needed:
P sh
R /
# can be rebuild
- home/*/.cache
# they're downloads for a reason
- home/*/Downloads
# susan is a nice person
# include susans home
+ home/susan
# also back up this exact file
+ pf:home/bobby/specialfile.txt
# don't backup the other home directories
- home/*
# don't even look in /proc
! proc`)
	if !slices.Equal(l.Roots(), []string{"/"}) {
		t.Errorf("roots %q", l.Roots())
	}
	for path, want := range map[string]Verdict{
		"": Include, "etc": Include, "home": Include, "home/susan": Include, "home/susan/x/y": Include, "home/susan/.cache": Exclude,
		"home/susan/.cache/x": Exclude, "home/bobby": Exclude, "home/bobby/specialfile.txt": Include, "home/bobby/other": Exclude,
		"home/x/Downloads": Exclude, "proc": Prune, "proc/1": Prune, "process": Include, "a/proc": Include,
	} {
		if got := l.Verdict(path); got != want {
			t.Errorf("%q: %d, want %d", path, got, want)
		}
	}
}

func TestRoots(t *testing.T) {
	l := build(t, "patterns-from R /home/bobby\nr  two words \n- x", "pattern R last/")
	if want := []string{"/home/bobby", "two words", "last/"}; !slices.Equal(l.Roots(), want) {
		t.Errorf("%q, want %q", l.Roots(), want)
	}
}

// A mistyped path argument must not look like an empty directory.
func TestUnmatched(t *testing.T) {
	l := build(t, "exclude home/hidden", "select home/leo", "select pf:data", "select home/hidden", "select none")
	verdicts(l, "home", "home/leo", "home/leo/t", "home/hidden", "data")
	if want := []string{"home/hidden", "none"}; !slices.Equal(l.Unmatched(), want) {
		t.Errorf("%q, want %q", l.Unmatched(), want)
	}
}

// What is pruned because no path argument reaches it could really hold nothing.
func TestReach(t *testing.T) {
	var paths []string
	for _, a := range []string{"a", "ab", "b"} {
		paths = append(paths, a)
		for _, b := range []string{"a", "b.o", "c"} {
			paths = append(paths, a+"/"+b, a+"/"+b+"/x", a+"/"+b+"/x/y.o")
		}
	}
	for _, args := range [][]string{{"a"}, {"a/a/x"}, {"pf:a/c/x", "b"}, {"sh:a/*.o"}, {"sh:**/y.o"}, {"fm:a*x"}, {"sh:ab/**/x/"}, {"re:y"}, {"pp:ab/c", "sh:a?/a"}} {
		l := &List{}
		for _, a := range args {
			if err := l.Select(a); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range paths {
			below := slices.ContainsFunc(paths, func(q string) bool { return strings.HasPrefix(q, p+"/") && l.Verdict(q) == Include })
			if below && l.Verdict(p) == Prune {
				t.Errorf("%q: %s is pruned", args, p)
			}
		}
		if l.Verdict("") == Prune {
			t.Errorf("%q: the root is pruned", args)
		}
	}
	l := build(t, "select a/b/c")
	if got := verdicts(l, "", "a", "a/b", "a/b/c", "a/b/c/d", "a/b/d", "a/bc", "b", "ab"); got != "xxxii!!!!" {
		t.Errorf("%s", got)
	}
}

// Errors lead to the line.
func TestFileErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"- a\n\n# x\nX /data", `"rules" line 4: invalid pattern "X /data": it begins with none of + - ! R P`},
		{"/data", `"rules" line 1: invalid pattern "/data": it begins with none`},
		{"+ ", `"rules" line 1: invalid pattern "+": nothing follows the '+'`},
		{"R", `nothing follows the 'R'`},
		{"P xx", `there is no style "xx", only fm, sh, re, pp or pf`},
		{"P re\n- (", `"rules" line 2: invalid pattern "(": missing closing )`},
		{"- zz:a", `no style "zz"`},
		{"- a\n" + strings.Repeat("x", maxLine+1), `"rules" line 2: invalid pattern: it is longer than`},
	} {
		var l List
		err := l.PatternsFrom(strings.NewReader(c.text), "rules")
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.20q: %v, want %s", c.text, err, c.want)
		}
	}
	var l List
	if err := l.ExcludeFrom(strings.NewReader("a\nre:(\n"), "rules"); err == nil || !strings.HasPrefix(err.Error(), `"rules" line 2: invalid pattern "re:("`) {
		t.Error(err)
	}
	if err := l.ExcludeFrom(iotest.ErrReader(io.ErrClosedPipe), "rules"); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	for _, arg := range []string{"", "x", "-", "P fm", "p fm"} {
		if err := l.Pattern(arg); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), fmt.Sprintf("%q", arg)) {
			t.Errorf("%q: %v", arg, err)
		}
	}
}

// The zero value and nil let everything through.
func TestEmpty(t *testing.T) {
	for _, l := range []*List{nil, {}, build(t, "pattern R /home")} {
		if !l.Empty() || l.Verdict("a/b") != Include || len(l.Unmatched()) > 0 {
			t.Errorf("%v", l)
		}
	}
	for _, o := range []string{"exclude a", "exclude pf:a", "select a", "pattern +re:a"} {
		if build(t, o).Empty() {
			t.Errorf("%s: empty", o)
		}
	}
}

// Many goroutines of a walk ask the same list.
func TestConcurrent(t *testing.T) {
	l := build(t, "exclude *.o", "exclude re:x$", "select home", "select sh:data/*")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if got := verdicts(l, "home/a.o", "home/a", "data/b", "data", "etc"); got != "!iix!" {
					t.Error(got)
				}
			}
		})
	}
	wg.Wait()
}

// A list of a thousand plain patterns costs a look-up for each element of a
// path, not a thousand comparisons.
func BenchmarkVerdict(b *testing.B) {
	paths := make([]string, 4096)
	for i := range paths {
		paths[i] = fmt.Sprintf("home/user%d/projects/p%d/src/module%d/file%d.go", i%7, i%61, i%113, i)
	}
	for _, c := range []struct{ name, format string }{
		{"pf", "pf:home/user%d/projects/p9/src/module1/file1.go"}, {"pp", "pp:home/user%d/Downloads"}, {"fm", "home/user%d/.cache"},
		{"fmStar", "*/cache%d"}, {"fmExt", "*.ext%d"}, {"shDirs", "sh:**/cache%d"}, {"re", `re:\.ext%d$`},
	} {
		for _, n := range []int{10, 1000} {
			l := &List{}
			for i := range n {
				if err := l.Exclude(fmt.Sprintf(c.format, 1000+i)); err != nil {
					b.Fatal(err)
				}
			}
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				i := 0
				for b.Loop() {
					if l.Verdict(paths[i%len(paths)]) != Include {
						b.Fatal(paths[i%len(paths)])
					}
					i++
				}
			})
		}
	}
}
