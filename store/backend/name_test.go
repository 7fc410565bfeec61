package backend_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"garret/store/backend"
)

// FuzzCheckName: whatever is accepted stays inside the repository's folder,
// and means one and the same object on every kind of storage.
func FuzzCheckName(f *testing.F) {
	for _, name := range []string{"", "config.1", "packs/3f/3f09", "../up", "a//b", "/abs", "a/", ".a", "tmp-1", "A", "ä", "a/b/c/d/e/f/g/h/i"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := backend.CheckName(name)
		if err != nil {
			if !errors.Is(err, backend.ErrName) {
				t.Errorf("CheckName(%q) = %v, want ErrName", name, err)
			}
			return
		}
		if !fs.ValidPath(name) || name == "." || len(name) > backend.MaxName {
			t.Errorf("%q is accepted", name)
		}
		if name != strings.ToLower(name) || strings.Contains("/"+name, "/"+backend.TempPrefix) {
			t.Errorf("%q is accepted", name)
		}
	})
}

func TestInside(t *testing.T) {
	tests := []struct {
		name, prefix string
		want         bool
	}{
		{"a", "", true},
		{"a/b", "a", true},
		{"a/b/c", "a", true},
		{"a/b/c", "a/b", true},
		{"a", "a", false},
		{"ab", "a", false},
		{"ab/c", "a", false},
		{"b/a", "a", false},
	}
	for _, tt := range tests {
		if got := backend.Inside(tt.name, tt.prefix); got != tt.want {
			t.Errorf("Inside(%q, %q) = %v", tt.name, tt.prefix, got)
		}
	}
}

func TestErrors(t *testing.T) {
	err := error(&backend.Error{Op: "put", Name: "config.1", Err: backend.ErrReadOnly})
	if got, want := err.Error(), "put config.1: storage is read-only"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for sentinel, std := range map[error]error{
		backend.ErrNotExist:   fs.ErrNotExist,
		backend.ErrPermission: fs.ErrPermission,
		backend.ErrClosed:     fs.ErrClosed,
	} {
		if !errors.Is(&backend.Error{Err: sentinel}, std) || errors.Is(std, sentinel) {
			t.Errorf("%v: does not match %v one way only", sentinel, std)
		}
	}
}
