package cache

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What a check has verified is known to the next one, per mode; a file that is
// damaged in any byte is as if there was none.
func TestVerified(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	c := Open("repository", "place")
	if got := c.Verified("a"); len(got) != 0 {
		t.Fatalf("before anything was verified: %v", got)
	}
	want := map[[16]byte]time.Time{{1}: time.Unix(1, 0), {2, 3}: time.Unix(1<<33, 0)}
	for _, kept := range []map[[16]byte]time.Time{want, {}, want} {
		if err := c.KeepVerified("a", kept); err != nil {
			t.Fatal(err)
		}
		if got := Open("repository", "place").Verified("a"); !maps.Equal(got, kept) {
			t.Fatalf("kept %v, got %v", kept, got)
		}
	}
	if got := c.Verified("b"); len(got) != 0 {
		t.Errorf("another mode has %v", got)
	}
	if got := Open("repository", "elsewhere").Verified("a"); len(got) != 0 {
		t.Errorf("another place has %v", got)
	}

	name := filepath.Join(c.dir, verifiedDir, "a")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		data[i] ^= 1
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := c.Verified("a"); len(got) != 0 {
			t.Fatalf("with byte %d changed: %v", i, got)
		}
		data[i] ^= 1
	}
	for n := range data {
		if err := os.WriteFile(name, data[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if got := c.Verified("a"); len(got) != 0 {
			t.Fatalf("cut to %d bytes: %v", n, got)
		}
	}
}

// Where nothing can be kept, that is said and nothing else.
func TestVerifiedNowhere(t *testing.T) {
	c := new(Cache)
	if err := c.KeepVerified("a", nil); !errors.Is(err, ErrNoCache) {
		t.Errorf("no cache: %v", err)
	}
	if got := c.Verified("a"); len(got) != 0 {
		t.Errorf("no cache has %v", got)
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	c = Open("repository", "place")
	if err := os.WriteFile(filepath.Join(c.dir, verifiedDir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.KeepVerified("a", nil); !errors.Is(err, ErrNoCache) {
		t.Errorf("a file in its place: %v", err)
	}
}
