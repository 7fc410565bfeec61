package backendtest

import (
	"errors"
	"fmt"
	"testing"

	"garret/store/backend"
	"garret/store/backend/faulty"
	"garret/store/backend/local"
	"garret/store/backend/mem"
	"garret/store/backend/powercut"
)

// Crash is some work on a repository, and what must hold when it has been
// interrupted anywhere.
type Crash struct {
	// Prepare fills the storage that every interrupted run starts from; it
	// runs once. nil is an empty one.
	Prepare func(b backend.Backend) error

	// Work is run anew for each point of interruption, and at first without
	// one. After it is interrupted, every operation fails. It must not return
	// before its goroutines have ended. A test that notes what Work was
	// promised (an id, say) resets its notes when Work begins.
	Work func(b backend.Backend) error

	// Check sees what is left, as the next process does, and may change it.
	Check func(t *testing.T, left backend.Backend)

	// Points is how many points of interruption are tried at most, spread
	// evenly over the work; 0 is all.
	Points int

	// Outcomes is how many outcomes of each power cut are checked: everything
	// unsynced is lost, everything is kept, and then random subsets of it. 0
	// is 4.
	Outcomes int
}

// Stops stops Work, on a backend in memory, before each of its changes to the
// storage.
func (c Crash) Stops(t *testing.T) {
	t.Helper()
	start := mem.New()
	c.prepare(t, start)
	work := func(t *testing.T, arm func(*faulty.Backend)) *faulty.Backend {
		storage := start.Clone()
		b := faulty.New(storage)
		arm(b)
		if err := c.Work(b); err != nil && !b.Stopped() {
			t.Fatalf("the work failed, and nothing had stopped it: %v", err)
		}
		c.Check(t, storage.Clone()) // open, even if Work has closed its backend
		return b
	}
	total := work(t, func(*faulty.Backend) {}).Count(faulty.Changes)
	for n := range c.points(total) {
		t.Run(fmt.Sprintf("stop_after_%d_of_%d", n, total), func(t *testing.T) {
			work(t, func(b *faulty.Backend) { b.StopAfter(n, faulty.Changes) })
		})
	}
}

// repository is where PowerCuts has it on its disks.
const repository = "/repository"

// PowerCuts cuts the power while Work runs on a local backend, before each
// call that changes the disk or syncs it, and checks several of the states in
// which the disk can be found afterwards.
func (c Crash) PowerCuts(t *testing.T) {
	t.Helper()
	start := powercut.New()
	b, err := local.CreateFS(start, repository)
	if err != nil {
		t.Fatal(err)
	}
	c.prepare(t, b)
	total := c.powerCut(t, start, -1)
	for n := range c.points(total) {
		t.Run(fmt.Sprintf("power_cut_after_%d_of_%d", n, total), func(t *testing.T) {
			c.powerCut(t, start, n)
		})
	}
}

// powerCut cuts the power after n changes to the disk, or after the work if n
// is negative, and returns how many there were.
func (c Crash) powerCut(t *testing.T, start *powercut.FS, n int) (changes int) {
	disk := start.Clone()
	if n >= 0 {
		disk.CutAfter(n)
	}
	b, err := local.OpenFS(disk, repository)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := c.Work(b); err != nil && !disk.IsCut() {
		t.Fatalf("the work failed, and the power was on: %v", err)
	}
	outcomes := c.Outcomes
	if outcomes == 0 {
		outcomes = 4
	}
	for seed := range uint64(outcomes) {
		left, err := local.OpenFS(disk.Crash(seed), repository)
		if err != nil {
			t.Fatalf("outcome %d: %v", seed, err)
		}
		t.Run(fmt.Sprintf("outcome_%d", seed), func(t *testing.T) { c.Check(t, left) })
		left.Close()
	}
	return disk.Ops()
}

func (c Crash) prepare(t *testing.T, b backend.Backend) {
	t.Helper()
	if c.Prepare == nil {
		return
	}
	if err := c.Prepare(b); err != nil {
		t.Fatalf("preparing: %v", err)
	}
}

// points yields the numbers below total, or c.Points of them.
func (c Crash) points(total int) func(yield func(int) bool) {
	count := total
	if c.Points > 0 {
		count = min(count, c.Points)
	}
	return func(yield func(int) bool) {
		for i := range count {
			if !yield(i * total / count) {
				return
			}
		}
	}
}

// Interrupted reports whether err is what an interrupted backend fails with.
func Interrupted(err error) bool {
	return errors.Is(err, faulty.ErrStopped) || errors.Is(err, powercut.ErrCut)
}
