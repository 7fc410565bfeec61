package pattern

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// The quick way through a shell pattern finds what the regular expression of
// the same pattern finds.
func TestGlobEngines(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	atoms := []string{"a", "b", "/", "*", "**/", "?", "[ab]", "[!a]", "é", "\xff", "ab", "."}
	letters := []string{"a", "b", "/", "é", "\xff", ".", "ab/"}
	word := func(from []string, n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(from[rng.IntN(len(from))])
		}
		return b.String()
	}
	greedy := 0
	for range 1500 {
		text, shell := word(atoms, 1+rng.IntN(7)), rng.IntN(2) == 0
		g, err := parseGlob(text, shell)
		if err != nil {
			t.Fatal(err)
		}
		if !g.greedy() {
			continue
		}
		greedy++
		re, err := g.regex()
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			s := word(letters, rng.IntN(8))
			if got, want := g.match("", s), re.match("", s); got != want {
				t.Errorf("%q (shell %v) on %q: %v, the expression says %v", text, shell, s, got, want)
			}
		}
	}
	if greedy < 700 {
		t.Errorf("only %d patterns go the quick way", greedy)
	}
}

// A pattern that someone made to be slow is not: a walk must not stop at a name.
func TestNoBlowUp(t *testing.T) {
	path := "xc/" + strings.Repeat("a", 1000) + strings.Repeat("/aaaa", 400) + "/b"
	start := time.Now()
	for _, p := range []string{
		"fm:" + strings.Repeat("*a", 40) + "c", "sh:" + strings.Repeat("**/a*", 20) + "c", "sh:" + strings.Repeat("*a", 40) + "c",
		"sh:" + strings.Repeat("[!x]*", 20) + "c", "re:(a+)+(a*)*c$", "re:(a|aa)+c$",
	} {
		if matches(t, p, path) {
			t.Errorf("%s matches", p)
		}
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("%v", d)
	}
}

// Whatever stands in a file of patterns is understood or refused.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{"fm:*.o", "sh:**/[!a-z]*/", "re:^a(b|[^\\W]){,3}$", "pp:a/../b", "pf:/", "re:\\x41\\u0041\\101[\\b]", "[[]\xff", "+ a", "xx:"} {
		f.Add(s, "home/a\xff.o")
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		path = strings.Trim(path, "/")
		var l List
		if l.Exclude(pattern) == nil {
			v := l.Verdict(path)
			if v == Exclude || v != l.Verdict(path) {
				t.Errorf("%q on %q: %d", pattern, path, v)
			}
		}
		_ = l.PatternsFrom(strings.NewReader(pattern), "file")
		var find Finder
		if find.Add(pattern) == nil {
			find.Match(path)
		}
		var s List
		if s.Select(pattern) == nil {
			s.Verdict(path)
		}
	})
}
