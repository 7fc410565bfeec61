package restore

import (
	"context"
	"os"
	"testing"

	"garret/fs/compare"
)

// One worker or many, the result is the same.
func TestWorkers(t *testing.T) {
	f := build(t, uglyTree(os.Geteuid() == 0))
	dir := t.TempDir()
	for i, workers := range []int{1, 16} {
		o, warnings := f.options(dir + "/" + string(rune('a'+i)))
		o.Workers = workers
		if _, err := Run(context.Background(), o); err != nil || len(*warnings) > 0 {
			t.Fatal(err, *warnings)
		}
	}
	stats, err := compare.Run(context.Background(), dir+"/a", dir+"/b", compare.Options{Holes: true}, func(d compare.Difference) {
		if os.Geteuid() == 0 || d.Kind != compare.Unreadable { // some of it is closed to its owner
			t.Error(d)
		}
	})
	if err != nil || os.Geteuid() == 0 && stats.Entries != f.view.Len() {
		t.Errorf("%d entries compared, want %d, %v", stats.Entries, f.view.Len(), err)
	}
}
