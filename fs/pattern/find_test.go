package pattern

import (
	"errors"
	"strings"
	"testing"
)

// A name finds the files that find -name would, a path those that it matches
// whole, and a style what it means everywhere else.
func TestFinder(t *testing.T) {
	paths := strings.Fields("etc etc/conf.d etc/conf.d/a.conf etc/conf.d/b.conf.d etc/hosts etc/b/c/hosts home/\xff home/x[1]")
	for _, c := range []struct{ patterns, want string }{
		{"", strings.Join(paths, " ")},
		{"hosts", "etc/hosts etc/b/c/hosts"},
		{"*.d", "etc/conf.d etc/conf.d/b.conf.d"},
		{"*", strings.Join(paths, " ")},
		{"?", "home/\xff"},
		{"h[!x]sts", "etc/hosts etc/b/c/hosts"},
		{"[!x]osts", "etc/hosts etc/b/c/hosts"},
		{"hos", ""},
		{"etc", "etc"},
		{"etc/*", "etc/conf.d etc/hosts"},
		{"/etc/hosts", "etc/hosts"},
		{"./etc//hosts/", "etc/hosts"},
		{"etc/**/hosts", "etc/hosts etc/b/c/hosts"},
		{"**/hosts", "etc/hosts etc/b/c/hosts"},
		{"**/*.d", "etc/conf.d etc/conf.d/b.conf.d"},
		{"etc/**/*", "etc/conf.d etc/conf.d/a.conf etc/conf.d/b.conf.d etc/hosts etc/b/c/hosts"},
		{"hosts *.conf", "etc/conf.d/a.conf etc/hosts etc/b/c/hosts"},
		{"hosts pp:etc/conf.d", "etc/conf.d etc/conf.d/a.conf etc/conf.d/b.conf.d etc/hosts etc/b/c/hosts"},
		{"pf:etc/hosts", "etc/hosts"},
		{"re:^home/", "home/\xff home/x[1]"},
		{"x[[]1]", "home/x[1]"},
		{"/", ""},
	} {
		var f Finder
		for _, p := range strings.Fields(c.patterns) {
			if err := f.Add(p); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, p := range paths {
			if f.Match(p) {
				got = append(got, p)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q: %q, want %q", c.patterns, got, c.want)
		}
	}
	for _, p := range []string{"re:(", "xx:a", "[b-a]", "a/[b-a]"} {
		var f Finder
		if err := f.Add(p); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), `"`+p+`"`) {
			t.Errorf("%s: %v", p, err)
		}
	}
}
