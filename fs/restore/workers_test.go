package restore

import (
	"context"
	"os"
	"testing"

	"garret/fs/compare"
)

// One worker or many, the result is the same.
func TestWorkers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, who can look into all of it")
	}
	f := build(t, uglyTree(true))
	dir := t.TempDir()
	for i, workers := range []int{1, 16} {
		o, warnings := f.options(dir + "/" + string(rune('a'+i)))
		o.Workers = workers
		if _, err := Run(context.Background(), o); err != nil || len(*warnings) > 0 {
			t.Fatal(err, *warnings)
		}
	}
	stats, err := compare.Run(context.Background(), dir+"/a", dir+"/b", compare.Options{Holes: true}, func(d compare.Difference) {
		t.Error(d)
	})
	if err != nil || stats.Entries != f.view.Len() {
		t.Errorf("%d entries compared, want %d, %v", stats.Entries, f.view.Len(), err)
	}
}
