package backendtest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"garret/store/backend"
	"garret/store/backend/backendtest"
)

// TestCrash: a small repository of the usual kind, where an object that names
// others is put after them and deleted before them, is sound after any
// interruption; and every state on the way is indeed visited.
func TestCrash(t *testing.T) {
	for _, kind := range []string{"stops", "power cuts"} {
		states := make(map[string]bool)
		promised := false
		crash := backendtest.Crash{
			Prepare: func(b backend.Backend) error {
				return errors.Join(put(b, "packs/00/0", ""), put(b, "index/0", "packs/00/0"))
			},
			Work: func(b backend.Backend) error {
				promised = false
				for _, err := range []error{
					put(b, "packs/00/1", ""),
					put(b, "packs/01/2", ""),
					put(b, "index/1", "packs/00/1 packs/01/2"),
				} {
					if err != nil {
						if !backendtest.Interrupted(err) {
							return err
						}
						return fmt.Errorf("interrupted: %w", err)
					}
				}
				promised = true
				for _, name := range []string{"index/0", "packs/00/0"} {
					if err := b.Delete(context.Background(), name); err != nil {
						return err
					}
				}
				return nil
			},
			Check: func(t *testing.T, left backend.Backend) {
				state := soundState(t, left)
				states[state] = true
				if promised && !strings.Contains(state, "index/1") {
					t.Errorf("the new index is lost: %s", state)
				}
				if err := put(left, "config.1", ""); err != nil {
					t.Errorf("what is left cannot be written: %v", err)
				}
			},
		}
		if kind == "stops" {
			crash.Stops(t)
		} else {
			crash.PowerCuts(t)
		}
		for _, want := range []string{
			"index/0 packs/00/0",
			"index/0 packs/00/0 packs/00/1",
			"index/0 packs/00/0 packs/00/1 packs/01/2",
			"index/0 index/1 packs/00/0 packs/00/1 packs/01/2",
			"index/1 packs/00/0 packs/00/1 packs/01/2",
			"index/1 packs/00/1 packs/01/2",
		} {
			if !states[want] {
				t.Errorf("%s: the state %q was not checked", kind, want)
			}
		}
		if len(states) != 6 {
			t.Errorf("%s: %d states were checked, want 6: %v", kind, len(states), states)
		}
	}
}

func put(b backend.Backend, name, data string) error {
	return b.Put(context.Background(), name, []byte(data))
}

// soundState returns the names of all objects, and fails if an index names a
// pack that is missing.
func soundState(t *testing.T, b backend.Backend) string {
	t.Helper()
	entries, err := backend.List(t.Context(), b, "")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	state := strings.Join(names, " ")
	for _, name := range names {
		if !strings.HasPrefix(name, "index/") {
			continue
		}
		packs, err := backend.ReadAll(t.Context(), b, name, 100)
		if err != nil {
			t.Error(err)
		}
		for pack := range strings.FieldsSeq(string(packs)) {
			if !strings.Contains(state, pack) {
				t.Errorf("%s names %s, which is missing: %s", name, pack, state)
			}
		}
	}
	return state
}

// TestPoints: a bound on the points still spreads them over the whole work.
func TestPoints(t *testing.T) {
	left := make(map[int]bool)
	backendtest.Crash{
		Points: 5,
		Work: func(b backend.Backend) error {
			for i := range 100 {
				if err := put(b, fmt.Sprintf("packs/%d", i), ""); err != nil {
					return err
				}
			}
			return nil
		},
		Check: func(t *testing.T, b backend.Backend) {
			entries, err := backend.List(t.Context(), b, "")
			if err != nil {
				t.Error(err)
			}
			left[len(entries)] = true
		},
	}.Stops(t)
	if want := "map[0:true 20:true 40:true 60:true 80:true 100:true]"; fmt.Sprint(left) != want {
		t.Errorf("the work was stopped after %v, want %s", left, want)
	}
}
