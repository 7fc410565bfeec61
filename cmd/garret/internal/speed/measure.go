package speed

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Speed is how fast something went.
type Speed struct {
	Threads    int     `json:"threads"`
	Operations int64   `json:"operations"`
	Bytes      int64   `json:"bytes,omitempty"`
	Seconds    float64 `json:"seconds"`
	// Of single operations, in seconds.
	Median float64 `json:"median_seconds"`
	P99    float64 `json:"p99_seconds"`
}

// Rate returns bytes a second.
func (s Speed) Rate() float64 { return float64(s.Bytes) / s.Seconds }

// operation does something once and returns how many bytes it was about, 0 for
// what is counted by times.
type operation func() (bytes int, err error)

// measure has each thread do its own operation again and again until the time
// is over, but once at least, and if warm also once before, which does not
// count. Operations that end with errDone end a thread earlier.
func measure(ctx context.Context, threads int, d time.Duration, warm bool, prepare func(thread int) (operation, error)) (Speed, error) {
	ops := make([]operation, threads)
	for i := range ops {
		var err error
		if ops[i], err = prepare(i); err != nil {
			return Speed{}, err
		}
		if warm {
			if _, err := ops[i](); err != nil {
				return Speed{}, err
			}
		}
	}
	s := Speed{Threads: threads}
	var (
		wait  sync.WaitGroup
		mu    sync.Mutex
		first error
		times []time.Duration
	)
	begun := time.Now()
	for _, op := range ops {
		wait.Go(func() {
			var mine []time.Duration
			bytes := int64(0)
			err := ctx.Err()
			for at := begun; err == nil && (len(mine) == 0 || at.Sub(begun) < d); {
				var n int
				if n, err = op(); err != nil {
					break
				}
				now := time.Now()
				mine, at = append(mine, now.Sub(at)), now
				bytes += int64(n)
				err = ctx.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			times = append(times, mine...)
			s.Bytes += bytes
			if err != errDone && first == nil {
				first = err
			}
		})
	}
	wait.Wait()
	s.Seconds = time.Since(begun).Seconds()
	s.Operations = int64(len(times))
	if first != nil {
		return Speed{}, first
	}
	slices.Sort(times)
	if n := len(times); n > 0 {
		s.Median, s.P99 = times[n/2].Seconds(), times[(n*99+99)/100-1].Seconds()
	}
	return s, nil
}

// errDone ends a measurement before its time.
var errDone = doneError{}

type doneError struct{}

func (doneError) Error() string { return "there is no more to be done" }
