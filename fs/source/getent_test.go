package source

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeGetent is a program that notes each call.
func fakeGetent(t *testing.T, script string) (program string, calls func() string) {
	t.Helper()
	dir := t.TempDir()
	program = filepath.Join(dir, "getent")
	body := fmt.Sprintf("#!/bin/sh\necho \"$*\" >>%s/calls\n%s\n", dir, script)
	if err := os.WriteFile(program, []byte(body), 0o755); err != nil {
		t.Fatal(err)
	}
	return program, func() string {
		data, _ := os.ReadFile(filepath.Join(dir, "calls"))
		return strings.ReplaceAll(strings.TrimSpace(string(data)), "\n", ", ")
	}
}

// Users of a directory service have their names; each number is asked for once,
// and what is in the files not at all.
func TestGetent(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"passwd": "root:x:0:0::/:\n", "group": "wheel:x:0:\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	program, calls := fakeGetent(t, `
case "$*" in
"passwd 1000") echo 'ann:*:1000:1000:Ann:/home/ann:/bin/sh' ;;
"passwd 1001") echo '1001:*:7:7::/:' ;; # a user of that name
"passwd 1002") echo 'garbage' ;;
"group 1000") echo 'staff:*:1000:ann'; echo 'more:*:1000:' ;;
*) exit 2 ;;
esac`)
	a := LoadAccounts(filepath.Join(dir, "passwd"), filepath.Join(dir, "group"))
	a.getent = newGetent(program, time.Minute)
	for range 3 {
		for id, want := range map[uint32]string{0: "root", 1000: "ann", 1001: "", 1002: "", 1003: ""} {
			if got := a.User(id); got != want {
				t.Errorf("user %d is %q, want %q", id, got, want)
			}
		}
		if a.Group(0) != "wheel" || a.Group(1000) != "staff" || a.Group(5) != "" {
			t.Errorf("groups %q, %q, %q", a.Group(0), a.Group(1000), a.Group(5))
		}
	}
	if n := strings.Count(calls(), ",") + 1; n != 6 {
		t.Errorf("%d calls: %s", n, calls())
	}
	if err := a.Problem(); err != nil {
		t.Error(err)
	}
}

// A service that does not answer costs one wait; a program that is not there
// nothing.
func TestGetentDoesNotAnswer(t *testing.T) {
	program, calls := fakeGetent(t, "sleep 60")
	a := &Accounts{getent: newGetent(program, 100*time.Millisecond)}
	began := time.Now()
	for id := range uint32(100) {
		if name := a.User(id); name != "" {
			t.Errorf("user %d is %q", id, name)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if calls() != "passwd 0" || !errors.Is(a.Problem(), ErrNoAnswer) {
		t.Errorf("calls: %s; problem: %v", calls(), a.Problem())
	}
	a = &Accounts{getent: newGetent(filepath.Join(t.TempDir(), "none"), time.Minute)}
	if a.User(1) != "" || a.Problem() != nil {
		t.Errorf("%q, %v", a.User(1), a.Problem())
	}
	var none *Accounts
	if none.User(1) != "" || none.Problem() != nil {
		t.Error("nobody knows a name")
	}
}
