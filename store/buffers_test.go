package store

import (
	"bytes"
	"testing"
	"unsafe"
)

// A buffer holds what was asked for, and is lent to one at a time; what never was
// the list's is left alone. Otherwise one file's bytes would be read as another's.
func TestBufferList(t *testing.T) {
	var l bufferList
	lent := map[*byte]bool{}
	var all [][]byte
	for _, n := range []int{0, 1, bufferSize(0), bufferSize(0) + 1, 1 << 20, bufferSize(6) - 1, bufferSize(6), bufferSize(6) + 1, 16 << 20, 40 << 20} {
		b := l.get(n)
		if len(b) != 0 || cap(b) < n || n > 0 && n <= 16<<20 && cap(b) > max(bufferSize(0), 2*n) {
			t.Errorf("for %d bytes: %d of %d", n, len(b), cap(b))
		}
		if first := unsafe.SliceData(b); lent[first] {
			t.Errorf("for %d bytes: a buffer that is lent already", n)
		} else {
			lent[first] = true
		}
		all = append(all, b)
	}
	grown := append(all[1][:cap(all[1])], 1) // is another piece of memory now
	l.put(grown)
	if l.idle != 0 {
		t.Errorf("%d bytes that are not the list's", l.idle)
	}
	l.put(all[4])
	if l.idle != cap(all[4]) {
		t.Errorf("%d bytes are idle, not %d", l.idle, cap(all[4]))
	}
	if again := l.get(1<<20 - 5); unsafe.SliceData(again) != unsafe.SliceData(all[4]) || l.idle != 0 {
		t.Error("an idle buffer is not used")
	}
	for _, b := range all {
		l.put(b)
	}
	if l.idle > maxIdle {
		t.Errorf("%d bytes are idle", l.idle)
	}
	free := 0
	for _, f := range l.free {
		free += len(f.warm) + len(f.cold)
	}
	if free != len(l.known) {
		t.Errorf("of %d buffers %d are free", len(l.known), free)
	}
}

// What lies beside memory that is given back to the system stays as it is, also
// where a buffer's end is not a page's.
func TestCoolSparesNeighbours(t *testing.T) {
	for class := range 4 {
		var l bufferList
		lent := make([][]byte, slabBuffers)
		for i := range lent {
			lent[i] = l.get(bufferSize(class))
			lent[i] = lent[i][:cap(lent[i])]
			for j := range lent[i] {
				lent[i][j] = 0xA5
			}
		}
		for first := range 2 {
			for i := first; i < len(lent); i += 2 {
				l.put(lent[i])
			}
			for l.idle > 0 {
				l.cool()
			}
			for i := first + 1; i < len(lent); i += 2 {
				if n := bytes.Count(lent[i], []byte{0xA5}); n != len(lent[i]) {
					t.Fatalf("%d of %d bytes of a buffer beside one that was given back are gone", len(lent[i])-n, len(lent[i]))
				}
			}
			for i := first; i < len(lent); i += 2 {
				b := l.get(bufferSize(class))
				lent[i] = b[:cap(b)]
				for j := range lent[i] {
					lent[i][j] = 0xA5
				}
			}
		}
	}
}
