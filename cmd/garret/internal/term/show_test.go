package term

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestName(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"plain.txt", "plain.txt"}, {"with space", "with space"}, {"größe/日本語", "größe/日本語"}, {`back\slash`, `back\slash`}, {`it"s`, `it"s`},
		{"", ""}, {"\ufffd", "\ufffd"}, {`"quoted"`, `"\"quoted\""`}, {"new\nline", `"new\nline"`}, {"\x1b[31mred", `"\x1b[31mred"`},
		{"latin1 \xe9", `"latin1 \xe9"`}, {"del\x7f", `"del\x7f"`}, {"c1 \u009b31m", `"c1 \u009b31m"`}, {"gnp\u202egpj.exe", `"gnp\u202egpj.exe"`},
		{"a\u00a0b", `"a\u00a0b"`}, {"tab\t", `"tab\t"`},
	} {
		if got := Name(c.name); got != c.want {
			t.Errorf("Name(%q) = %s, want %s", c.name, got, c.want)
		}
	}
}

// Whatever the bytes, nothing is shown that does not print, and what is shown
// tells what the bytes are.
func FuzzName(f *testing.F) {
	for _, s := range []string{"a", "\x1b]0;title\a", "\xff\xfe", "\"", "e\u0301", "\u202e", "a\\", `"\x41"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		shown := Name(s)
		if !utf8.ValidString(shown) {
			t.Errorf("%q is shown as %q, which is not UTF-8", s, shown)
		}
		for _, r := range shown {
			if !unicode.IsPrint(r) {
				t.Errorf("%q is shown with %U", s, r)
			}
		}
		back := shown
		if strings.HasPrefix(shown, `"`) {
			var err error
			if back, err = strconv.Unquote(shown); err != nil {
				t.Errorf("%q is shown as %s: %v", s, shown, err)
			}
		}
		if back != s {
			t.Errorf("%q is shown as %s, which means %q", s, shown, back)
		}
		p := JSONPath(s)
		data, err := json.Marshal(struct {
			Path
			Size int `json:"size"`
		}{Path: p})
		var read struct {
			Path   string
			Base64 []byte `json:"path_base64"`
		}
		if err != nil || json.Unmarshal(data, &read) != nil {
			t.Fatalf("JSON of %q: %s, %v", s, data, err)
		}
		if utf8.ValidString(s) != (read.Base64 == nil) || read.Base64 == nil && read.Path != s || read.Base64 != nil && string(read.Base64) != s {
			t.Errorf("JSON of %q: %s", s, data)
		}
	})
}

func TestJSONPath(t *testing.T) {
	for name, want := range map[string]string{
		"plain":   `{"path":"plain"}`,
		"a\xffb":  `{"path":"a` + "\ufffd" + `b","path_base64":"Yf9i"}`,
		"new\nbr": `{"path":"new\nbr"}`,
	} {
		if got, err := json.Marshal(JSONPath(name)); err != nil || string(got) != want {
			t.Errorf("%q: %s, want %s, %v", name, got, want, err)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 1: "1 B", 999: "999 B", 1000: "1.00 kB", 1234: "1.23 kB", 9994: "9.99 kB", 9995: "10.0 kB", 99949: "99.9 kB",
		99950: "100 kB", 999499: "999 kB", 999500: "1.00 MB", 82854982: "82.9 MB", 1e15: "1.00 PB", 1<<64 - 1: "18.4 EB",
	} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %s, want %s", n, got, want)
		}
	}
	if got := Rate(3e9, 2*time.Second); got != "1.50 GB/s" {
		t.Errorf("rate %s", got)
	}
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", 100000: "100,000"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		0: "0 ms", 1500 * time.Microsecond: "2 ms", 999 * time.Millisecond: "999 ms", 999700 * time.Microsecond: "1.0 s",
		12345 * time.Millisecond: "12.3 s", 59940 * time.Millisecond: "59.9 s", 59960 * time.Millisecond: "1 min 0 s",
		245 * time.Second: "4 min 5 s", time.Hour - time.Millisecond: "1 h 0 min", 133 * time.Minute: "2 h 13 min",
		day - time.Second: "1 d 0 h", 76 * time.Hour: "3 d 4 h", 2*day - time.Second: "2 d 0 h", -time.Second: "-1.0 s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %s, want %s", d, got, want)
		}
	}
}

// Columns line up by what a terminal shows: wide and combining characters too.
func TestTable(t *testing.T) {
	table := NewTable("id", ">size", "host")
	table.Row("1a2b3c4d", Size(82854982), "日本")
	table.Row("e\u0301", "5 B", "")
	table.Row("日", "1.00 kB", "x")
	var b strings.Builder
	n, err := table.WriteTo(&b)
	want := "" +
		"id           size  host\n" +
		"1a2b3c4d  82.9 MB  日本\n" +
		"e\u0301             5 B\n" +
		"日        1.00 kB  x\n"
	if b.String() != want || err != nil || n != int64(len(want)) {
		t.Errorf("got\n%s\nwant\n%s\n%d bytes, %v", b.String(), want, n, err)
	}
}
