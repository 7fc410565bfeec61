package parity_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"garret/store/object"
	"garret/store/parity"
)

// Any bytes may be found under a parity object's name.
func FuzzParse(f *testing.F) {
	for i, size := range []int{1, 1000, 5000, 30 * 4096} {
		o := protect(f, source(uint64(i)), size, 5)
		f.Add(o.parity, o.data)
		f.Add(o.parity[len(o.parity)/2:], o.data[:size/2])
		forged := bytes.Clone(o.parity[:len(o.parity)/2])
		binary.LittleEndian.PutUint64(forged[object.HeaderSize+32:], 1<<32) // the size
		f.Add(forged, o.data)
	}
	f.Fuzz(func(t *testing.T, par, data []byte) {
		reseal(par)
		p, err := parity.Parse(par)
		if err != nil {
			if p != nil {
				t.Fatal("an object and an error")
			}
			return
		}
		p.Damage()
		p.Verify(data)
		if again, err := p.Repair(data); err == nil && int64(len(again)) < p.Size()/int64(p.K()) {
			t.Fatalf("repaired to %d bytes", len(again))
		}
		for _, d := range [][]byte{nil, data} {
			healed, err := p.Heal(d, nil)
			if err == nil && int64(len(healed)) != p.Size() || err != nil && healed != nil {
				t.Fatalf("%d bytes of %d, %v", len(healed), p.Size(), err)
			}
		}
	})
}

// reseal gives the first plate a CRC that fits, so that fuzzing comes past it.
func reseal(par []byte) {
	at := bytes.Index(par, []byte("garretr1"))
	if at < 0 || len(par) < at+44 {
		return
	}
	if end := at + 44 + int(binary.LittleEndian.Uint16(par[at+10:])); end+4 <= len(par) {
		object.Finish(par[at:end:len(par)])
	}
}

// Whatever happens to an object and to its parity: what Heal gives is the
// original.
func FuzzHeal(f *testing.F) {
	f.Add(uint64(1), uint32(1000), byte(5), []byte{0, 1, 2, 3})
	f.Add(uint64(2), uint32(300000), byte(5), []byte{9, 9, 9, 200, 17, 4, 80, 255})
	f.Add(uint64(3), uint32(4097), byte(99), []byte{12, 1, 1, 1, 30, 250, 2, 2, 7, 7, 7, 7})
	f.Fuzz(func(t *testing.T, seed uint64, size uint32, percent byte, ops []byte) {
		o := protect(t, source(seed), 1+int(size%400000), 1+int(percent%100))
		data, par := mangle(seed, o.data, o.parity, ops)
		heal(t, o, data, par)
	})
}

// mangle damages two objects as ops say: four bytes for each damage.
func mangle(seed uint64, a, b, ops []byte) (data, par []byte) {
	r := source(seed)
	both := [2][]byte{bytes.Clone(a), bytes.Clone(b)}
	for ; len(ops) >= 4; ops = ops[4:] {
		x := &both[ops[0]&1]
		if len(*x) == 0 {
			continue
		}
		at, n := int(ops[1])*len(*x)/256, 1+int(ops[2])*int(ops[3])/8
		end := min(at+n, len(*x))
		switch ops[0] >> 1 % 7 {
		case 0, 1:
			spoil(r, *x, at, n)
		case 2:
			*x = (*x)[:at]
		case 3:
			*x = (*x)[at:]
		case 4:
			*x = cat((*x)[:at], noise(r, n), (*x)[at:])
		case 5:
			*x = cat((*x)[:at], (*x)[end:])
		case 6: // a stretch of one file within another
			y := both[ops[0]>>4&1]
			copy((*x)[at:end], y[min(int(ops[3])*len(y)/256, len(y)):])
		}
	}
	return both[0], both[1]
}

func heal(t *testing.T, o one, data, par []byte) (ok bool) {
	t.Helper()
	p, err := parity.Parse(par)
	if err != nil {
		if !errors.Is(err, object.ErrDamaged) {
			t.Fatal(err)
		}
		return false
	}
	healed, err := p.Heal(data, nil)
	if err != nil {
		if !errors.Is(err, object.ErrDamaged) || healed != nil {
			t.Fatal(err)
		}
		return false
	}
	if !bytes.Equal(healed, o.data) {
		t.Fatal("healed to other bytes")
	}
	if again, err := p.Repair(healed); err != nil || !bytes.Equal(again, o.parity) {
		t.Fatalf("repaired to other bytes, %v", err)
	}
	return true
}

// The same for many random damages, and most of them heal.
func TestRandomDamage(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r, healed := source(seed), 0
	const runs = 1500
	for range runs {
		o := protect(t, r, 1+r.IntN(1<<(5+r.IntN(15))), 1+r.IntN(100))
		data, par := mangle(r.Uint64(), o.data, o.parity, noise(r, 4*(1+r.IntN(4))))
		if heal(t, o, data, par) {
			healed++
		}
	}
	if healed < runs/4 || healed == runs {
		t.Errorf("%d of %d healed", healed, runs)
	}
}
