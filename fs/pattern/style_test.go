package pattern

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

// matches reports whether a pattern, whose style is fm unless it names one,
// matches a path.
func matches(t *testing.T, pattern, path string) bool {
	t.Helper()
	var l List
	if err := l.Exclude(pattern); err != nil {
		t.Fatal(err)
	}
	return l.Verdict(path) == Prune
}

// What each style matches, as Borg documents it and its own tests have it. A
// pattern that matches more here excludes a file from the backup; one that
// matches less stores what should not have been.
func TestStyles(t *testing.T) {
	const home = "etc/server/config etc/server/hosts home home/user/.profile home/user/.bashrc home/user2/.profile " +
		"home/user2/public_html/index.html srv srv/messages srv/dmesg srv2 srv2/blafasel home/foo/.thumbnails home/foo/bar/.thumbnails"
	const all = "*" // all paths
	for _, style := range []struct {
		style, paths string
		cases        [][2]string // pattern, what it matches
	}{
		{"pf", "home home/user home/user2 home/user/.bashrc", [][2]string{
			{"/", ""}, {"", ""}, {".", ""}, {"/home", "home"}, {"home", "home"}, {"/home///", "home"}, {"/./home", "home"}, {"./home", "home"},
			{"/home/user", "home/user"}, {"/home/user2", "home/user2"}, {"//home//user/.bashrc", "home/user/.bashrc"},
			{"home/x/../user", "home/user"}, {"home/*", ""}, {"hom", ""}, {"../home", ""},
		}},
		{"pp", home, [][2]string{
			{"/", all}, {"/./", all}, {"", ""}, {"./", ""}, {".", ""}, {"/home/u", ""}, {"relative", ""},
			{"/home/user", "home/user/.profile home/user/.bashrc"}, {"home/user/", "home/user/.profile home/user/.bashrc"},
			{"/etc", "etc/server/config etc/server/hosts"}, {"///etc//////", "etc/server/config etc/server/hosts"},
			{"/./home//..//home/user2", "home/user2/.profile home/user2/public_html/index.html"},
			{"/srv", "srv srv/messages srv/dmesg"}, {"srv/", "srv srv/messages srv/dmesg"}, {"srv*", ""}, {"srv/messages", "srv/messages"},
		}},
		{"fm", home, [][2]string{
			{"*", all}, {"/*", all}, {"/./*", all}, {"**", all}, {"", ""}, {".", ""},
			{"*/*", "etc/server/config etc/server/hosts home/user/.profile home/user/.bashrc home/user2/.profile " +
				"home/user2/public_html/index.html srv/messages srv/dmesg srv2/blafasel home/foo/.thumbnails home/foo/bar/.thumbnails"},
			{"*///*", "etc/server/config etc/server/hosts home/user/.profile home/user/.bashrc home/user2/.profile " +
				"home/user2/public_html/index.html srv/messages srv/dmesg srv2/blafasel home/foo/.thumbnails home/foo/bar/.thumbnails"},
			{"/home/u", ""}, {"home/u*", "home/user/.profile home/user/.bashrc home/user2/.profile home/user2/public_html/index.html"},
			{"/home/*", "home/user/.profile home/user/.bashrc home/user2/.profile home/user2/public_html/index.html home/foo/.thumbnails home/foo/bar/.thumbnails"},
			{"/home/", "home/user/.profile home/user/.bashrc home/user2/.profile home/user2/public_html/index.html home/foo/.thumbnails home/foo/bar/.thumbnails"},
			{"/home/user/*", "home/user/.profile home/user/.bashrc"}, {"home/user", "home/user/.profile home/user/.bashrc"},
			{"home/user/", "home/user/.profile home/user/.bashrc"}, {"/etc/*", "etc/server/config etc/server/hosts"},
			{"*/.pr????e", "home/user/.profile home/user2/.profile"}, {"*.pr?file", "home/user/.profile home/user2/.profile"},
			{"///etc//////*", "etc/server/config etc/server/hosts"},
			{"/./home//..//home/user2/*", "home/user2/.profile home/user2/public_html/index.html"},
			{"/srv*", "srv srv/messages srv/dmesg srv2 srv2/blafasel"}, {"srv", "srv srv/messages srv/dmesg"}, {"srv/", "srv/messages srv/dmesg"},
			{"/home/*/.thumbnails", "home/foo/.thumbnails home/foo/bar/.thumbnails"}, {"home?user", "home/user/.profile home/user/.bashrc"},
			{"srv[0-9]", "srv2 srv2/blafasel"}, {"srv[!0-9]*", "srv/messages srv/dmesg"}, {"*.html", "home/user2/public_html/index.html"},
			{"*s", "srv/messages etc/server/hosts home/foo/.thumbnails home/foo/bar/.thumbnails"},
			{"*hosts/", ""}, {"*server/", "etc/server/config etc/server/hosts"},
		}},
		{"sh", home, [][2]string{
			{"*", all}, {"**/*", all}, {"/**/*", all}, {"/./*", all}, {"", ""},
			{"*/*", "etc/server/config etc/server/hosts home/user/.profile home/user/.bashrc home/user2/.profile " +
				"home/user2/public_html/index.html srv/messages srv/dmesg srv2/blafasel home/foo/.thumbnails home/foo/bar/.thumbnails"},
			{"/home/u", ""},
			{"/home/*", "home/user/.profile home/user/.bashrc home/user2/.profile home/user2/public_html/index.html home/foo/.thumbnails home/foo/bar/.thumbnails"},
			{"/home/user/*", "home/user/.profile home/user/.bashrc"}, {"home/user", "home/user/.profile home/user/.bashrc"},
			{"/etc/*/*", "etc/server/config etc/server/hosts"}, {"/etc/**/*", "etc/server/config etc/server/hosts"},
			{"/etc/**/*/*", "etc/server/config etc/server/hosts"}, {"*/.pr????e", ""}, {"**/.pr????e", "home/user/.profile home/user2/.profile"},
			{"**/.profile", "home/user/.profile home/user2/.profile"}, {"**.profile", ""}, {"*.profile", ""},
			{"///etc//////*", "etc/server/config etc/server/hosts"},
			{"/./home//..//home/user2/", "home/user2/.profile home/user2/public_html/index.html"},
			{"/./home//..//home/user2/**/*", "home/user2/.profile home/user2/public_html/index.html"},
			{"/srv*/", "srv/messages srv/dmesg srv2/blafasel"}, {"/srv*", "srv srv/messages srv/dmesg srv2 srv2/blafasel"},
			{"/srv/*", "srv/messages srv/dmesg"}, {"/srv2/**", "srv2 srv2/blafasel"}, {"/srv2/**/", "srv2/blafasel"},
			{"/home/*/.thumbnails", "home/foo/.thumbnails"}, {"/home/*/*/.thumbnails", "home/foo/bar/.thumbnails"},
			{"home/**/.thumbnails", "home/foo/.thumbnails home/foo/bar/.thumbnails"}, {"**/bar", "home/foo/bar/.thumbnails"},
			{"home?user", ""}, {"srv[12]", "srv2 srv2/blafasel"}, {"srv[!1]/*", "srv2/blafasel"}, {"home/**/", "home/user/.profile home/user/.bashrc " +
				"home/user2/.profile home/user2/public_html/index.html home/foo/.thumbnails home/foo/bar/.thumbnails"},
			{"srv/{messages,dmesg}", ""}, {"home/user*/.*", "home/user/.profile home/user/.bashrc home/user2/.profile"},
		}},
		{"re", home, [][2]string{
			{"", all}, {".*", all}, {"^/", ""}, {"^abc$", ""}, {"^[^/]", all}, {"^home$", "home"}, {"^srv", "srv srv/messages srv/dmesg srv2 srv2/blafasel"},
			{`\.html$`, "home/user2/public_html/index.html"}, {"HOSTS", ""}, {"(?i)HOSTS", "etc/server/hosts"}, {"(?i)CONFIG|GES$", "etc/server/config srv/messages"},
			{`/\.[^/]*$`, "home/user/.profile home/user/.bashrc home/user2/.profile home/foo/.thumbnails home/foo/bar/.thumbnails"},
			{`\d`, "home/user2/.profile home/user2/public_html/index.html srv2 srv2/blafasel"}, {`^srv\Z`, "srv"}, {`^srv\d\Z`, "srv2"},
			{`user/`, "home/user/.profile home/user/.bashrc"}, {`^home/[^/]+/\.pro`, "home/user/.profile home/user2/.profile"},
			{`d{,1}mesg`, "srv/dmesg"}, {`\x64mesg`, "srv/dmesg"}, {`(?#a comment)dmesg`, "srv/dmesg"}, {`[]d]mesg`, "srv/dmesg"}, {`me(s)+ages`, "srv/messages"},
		}},
	} {
		paths := strings.Fields(style.paths)
		for _, c := range style.cases {
			want := " " + c[1] + " "
			for _, p := range paths {
				if got := matches(t, style.style+":"+c[0], p); got != (c[1] == all || strings.Contains(want, " "+p+" ")) {
					t.Errorf("%s:%s on %s: %v", style.style, c[0], p, got)
				}
			}
		}
	}
}

// Names that no one plans for: not UTF-8, white space, the pattern's own
// characters, either normal form, the root.
func TestBytes(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"fm:b\xe1", "b\xe1/foo", true}, {"fm:b\xe1", "b\xe1", true}, {"fm:b\xe1", "bá", false}, {"fm:ba\x80", "ba/foo", false}, {"sh:ba\x80", "ba\x80/foo", true},
		{"pp:ba\x80", "ba\x80/foo", true}, {"pf:ba\x80", "ba\x80", true}, {"re:^ba\x80/foo$", "ba\x80/foo", true}, {"re:^ba\x80/foo$", "ba\x81/foo", false},
		{"fm:?", "\xff", true}, {"fm:?", "é", true}, {"fm:??", "\xff", false}, {"fm:??", "é", false}, {"fm:??", "\xc3\xff", true}, {"sh:?", "\xff", true},
		{"sh:a?c", "a\xffc", true}, {"re:^.$", "\xff", true}, {"re:^.$", "é", true}, {"re:^..$", "é", false}, {"re:^[^a]$", "\xff", true},
		{"fm:\xc3", "é", false}, {"fm:*\xa9", "é", false}, {"fm:*\xa9", "x\xa9", true}, {"fm:\xc3\xa9", "é", true}, {"re:\xa9", "é", false}, {"re:\xa9", "x\xa9", true},
		{"fm:[\xff]", "\xff", true}, {"fm:[\xff]", "\xfe", false}, {"fm:[\xf0-\xff]", "\xfe", true}, {"fm:[!a]", "\xfe", true}, {"sh:[é]", "é", true}, {"sh:[!\xff]*/x", "a/x", true},
		{"re:[\xf0-\xff]", "\xfe", true}, {"re:[\xf0-\xff]", "ð", false}, {"re:\ufffd", "\xfe", false}, {"fm:\ufffd", "\xfe", false}, {"fm:\ufffd", "\ufffd", true},
		{"fm:bá", "ba\u0301", false}, {"fm:ba\u0301", "bá", false}, {"fm:ba\u0301", "ba\u0301", true}, {"sh:bá", "ba\u0301", false}, {"re:^bá", "ba\u0301", false}, {"pp:bá", "ba\u0301/x", false},
		{"fm:A", "a", false}, {"sh:A", "a", false}, {"pp:A", "a", false}, {"pf:A", "a", false}, {"re:A", "a", false},
		{"fm: a", " a", true}, {"fm:a ", "a", false}, {"fm:two\nlines", "two\nlines", true}, {"fm:two*", "two\nlines", true}, {"sh:two*", "two\nlines", true},
		{"re:two.lines", "two\nlines", false}, {"re:(?s)two.lines", "two\nlines", true}, {"re:two$", "two\n", true}, {"re:^lines", "two\nlines", false}, {"re:(?m)^lines", "two\nlines", true}, {"re:(?m)two$", "two\nlines", true}, {`re:two\Z`, "two\n", false},
		{"fm:[*]", "*", true}, {"fm:[*]", "a", false}, {"sh:[?]", "?", true}, {"sh:[?]", "a", false}, {"fm:[[]x]", "[x]", true}, {"fm:[x", "[x", true}, {"sh:[x", "[x", true}, {"fm:[]]", "]", true}, {"fm:[!]]", "]", false}, {"fm:[^a]", "^", true}, {"fm:[^a]", "b", false},
		{"fm:[a-]", "-", true}, {"fm:[z-a]", "m", false}, {"fm:[!z-a]", "m", true}, {"fm:[a-c-e]", "-", true}, {"fm:[a-c-e]", "d", false}, {`fm:\a`, `\a`, true}, {`fm:\*`, `\x`, true}, {`fm:\*`, `x`, false}, {`sh:[\]`, `\`, true},
		{"sh:{a,b}", "a", false}, {"sh:{a,b}", "{a,b}", true}, {"fm:fm:a", "fm:a", true}, {"fm:aa:b", "aa:b", true}, {"a:b", "a:b", true}, {"fm:-", "-", true},
		{"fm:*", "", true}, {"sh:*", "", true}, {"pp:/", "", true}, {"pf:/", "", true}, {"re:^$", "", true}, {"pp:a", "", false}, {"fm:a", "", false},
		{`re:^\w+$`, "naïve_1", true}, {`re:^\w+$`, "na-ive", false}, {`re:\W`, "naïve", false}, {`re:\s`, "a\u00a0b", true}, {`re:\S`, "\u00a0", false}, {`re:^\d$`, "٣", true}, {`re:^[\w.]+$`, "é.x", true}, {`re:(?a)^\w+$`, "é", false}, {`re:^[^\W]+$`, "é", true}, {`re:\u00e9`, "é", true}, {`re:\xe9`, "é", true}, {`re:\xe9`, "\xe9", false}, {`re:[[:alpha:]]`, "a]", true}, {`re:[[:alpha:]]`, "x", false}, {`re:\101`, "A", true}, {`re:\é`, "é", true},
		// Sets may match a slash, and then the ways through a pattern are many.
		{"sh:a[!b]c", "a/c", true}, {"sh:*[!x]*y", "a/y", true}, {"sh:a*b**/c", "abbc", true}, {"sh:foo**/bar", "foobar", true}, {"sh:foo**/bar", "foox/bar", true}, {"sh:foo**/bar", "fooxbar", false}, {"sh:[!.]*", ".x", false}, {"sh:**/[!.]*.o", "a/.b/c.o", true}, {"sh:a**", "a/b", true}, {"sh:a/**/b/**/c", "a/b/x/b/c", true}, {"sh:a/**/b/**/c", "a/x/c", false}, {"sh:*a*b", "xaxaxb", true}, {"fm:*a*b*c", "abab/c", true}, {"fm:*a*b*c", "abab/d", false},
	} {
		if got := matches(t, c.pattern, c.path); got != c.want {
			t.Errorf("%q on %q: %v", c.pattern, c.path, got)
		}
	}
}

// What BorgBackup itself said of random patterns and paths.
func TestAsBorg(t *testing.T) {
	f, err := os.Open("testdata/borg.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Split(s.Text(), "\t")
		if len(fields) != 3 {
			continue
		}
		n++
		pattern, err1 := strconv.Unquote(fields[0])
		path, err2 := strconv.Unquote(fields[1])
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2, s.Text())
		}
		if got := matches(t, pattern, path); got != (fields[2] == "yes") {
			t.Errorf("%q on %q: %v", pattern, path, got)
		}
	}
	if n < 1000 {
		t.Errorf("%d cases", n)
	}
}

// A pattern that is not understood is an error that quotes it and says why: it
// would protect nothing.
func TestInvalid(t *testing.T) {
	for pattern, want := range map[string]string{
		"re:(":              "missing closing )",
		"re:a)":             "unexpected )",
		"re:[a":             "not closed",
		"re:[b-a]":          "range",
		"re:[\\d-x]":        "range",
		"re:*a":             "missing argument to repetition operator",
		"re:a**":            "nested repetition",
		"re:a++":            "nested repetition",
		"re:a{1001}":        "above 1000",
		"re:\\":             "ends in the middle",
		"re:(?":             "ends in the middle",
		"re:(?#":            "ends in the middle",
		"re:\\x6":           "ends in the middle",
		"re:\\xzz":          "no character's number",
		"re:a(?=b)":         "look-ahead",
		"re:^(?!/srv)":      "look-ahead",
		"re:(?<=a)b":        "look-behind",
		"re:(?<!a)b":        "look-behind",
		"re:(.)\\1":         "backreference",
		"re:(?P<n>.)(?P=n)": "backreference",
		"re:(?>a)":          "atomic",
		"re:(a)?(?(1)b)":    "conditional",
		"re:(?x)a b":        "flag 'x'",
		"re:(?a:\\w)":       "at the beginning only",
		"re:\\q":            `\q is not supported`,
		"sh:[b-a]":          "range b-a",
		"aa:x":              `no style "aa"`,
		"x1:abc":            `no style "x1"`,
		"éa:":               `no style "éa"`,
	} {
		var l List
		err := l.Exclude(pattern)
		if err == nil || !strings.Contains(err.Error(), strconv.Quote(pattern)) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", pattern, err, want)
		}
		if !l.Empty() {
			t.Errorf("%s: it has left a rule", pattern)
		}
	}
}
