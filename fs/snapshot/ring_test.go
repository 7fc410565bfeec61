package snapshot

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// What a reader writes is what assemble sees, whatever the sizes and however
// far behind assemble is.
func TestRing(t *testing.T) {
	const size = 1000
	r := newRing(size)
	type sent struct {
		data    []byte
		want    []byte
		release uint64
	}
	ch := make(chan sent, 5)
	go func() {
		defer close(ch)
		rnd := rand.New(rand.NewPCG(1, 2))
		var kept []byte
		for i := range 20000 {
			want := len(kept) + rnd.IntN(size/2-len(kept)+1)
			buf, err := r.space(context.Background(), len(kept), want)
			if err != nil {
				t.Error(err)
				return
			}
			if len(buf) < want || !bytes.Equal(buf[:len(kept)], kept) {
				t.Errorf("round %d: room for %d of %d, or what was kept is lost", i, len(buf), want)
				return
			}
			for j := len(kept); j < want; j++ {
				buf[j] = byte(rnd.Uint32())
			}
			n := rnd.IntN(want + 1)
			data := buf[:n]
			s := sent{data, bytes.Clone(data), 0}
			kept = bytes.Clone(buf[n:want])
			s.release = r.commit(n)
			ch <- s
		}
	}()
	for s := range ch {
		if !bytes.Equal(s.data, s.want) {
			t.Fatal("a chunk was overwritten before it was released")
		}
		r.release(s.release)
	}
}

func TestRingWaitsForItsContextOnly(t *testing.T) {
	r := newRing(10)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	for range 2 {
		if _, err := r.space(ctx, 0, 5); err != nil {
			t.Fatal(err)
		}
		r.commit(5)
	}
	if _, err := r.space(ctx, 0, 5); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a full ring: %v", err)
	}
}
