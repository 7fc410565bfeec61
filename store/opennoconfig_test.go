package store

import (
	"errors"
	"testing"

	"garret/store/backend/mem"
	"garret/store/object"
)

// A repository that has lost its config is not an init that was interrupted,
// which may be removed.
func TestOpenWithoutConfig(t *testing.T) {
	b, _, _ := smallRepairRepository(t)
	for _, folders := range [][]string{{dirConfig}, {dirConfig, dirKeys}, {dirConfig, dirHistory}, {dirConfig, dirHistory, dirIndex, dirKeys}} {
		d := b.Clone()
		for _, folder := range folders {
			for _, name := range objects(t, d, folder) {
				remove(t, d, name)
			}
		}
		if _, err := Open(t.Context(), d); !errors.Is(err, object.ErrDamaged) || errors.Is(err, ErrHalfMade) || errors.Is(err, ErrNoRepository) {
			t.Errorf("without %v: %v", folders, err)
		}
	}
	half := mem.New()
	for _, name := range objects(t, b, dirKeys) {
		write(t, half, name, read(t, b, name))
	}
	if _, err := Open(t.Context(), half); !errors.Is(err, ErrHalfMade) {
		t.Errorf("an interrupted init: %v", err)
	}
	if _, err := Open(t.Context(), mem.New()); !errors.Is(err, ErrNoRepository) {
		t.Errorf("nothing: %v", err)
	}
}
