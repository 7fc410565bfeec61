package mem_test

import (
	"testing"

	"garret/store/backend"
	"garret/store/backend/backendtest"
	"garret/store/backend/mem"
)

func TestConformance(t *testing.T) {
	backendtest.Run(t, func(*testing.T) backend.Backend { return mem.New() })
}

// TestClone: crash tests run on clones of one prepared repository; they must
// not see each other's changes.
func TestClone(t *testing.T) {
	ctx := t.Context()
	a := mem.New()
	if err := a.Put(ctx, "keys/a", []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	b, c := a.Clone(), a.Clone()
	if err := b.Put(ctx, "keys/a", []byte("second")); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(ctx, "keys/b", nil); err != nil {
		t.Fatal(err)
	}
	if got, err := backend.ReadAll(ctx, c, "keys/a", 10); err != nil || string(got) != "first" {
		t.Errorf("the other clone has %q, %v", got, err)
	}
	if list, err := backend.List(ctx, c, ""); err != nil || len(list) != 1 {
		t.Errorf("the other clone lists %v, %v", list, err)
	}
	if b.Location() == c.Location() {
		t.Error("two backends have one location")
	}
}
