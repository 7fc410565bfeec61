package parity

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"slices"

	"garret/store/object"
	"garret/store/parity/leopard"
)

// ErrTooDamaged means that more cells are lost than there is parity for.
var ErrTooDamaged = fmt.Errorf("%w beyond what its parity can heal", object.ErrDamaged)

// Verify returns the numbers of the protected object's cells that are not as
// they were when data are its bytes, in ascending order. The last cell counts
// as bad too when data is too long. A cell whose CRC no plate tells any more is
// not among them.
func (o *Object) Verify(data []byte) (bad []int) {
	for i := range o.k {
		at, n := o.data(i)
		whole := at+int64(n) <= int64(len(data)) && (i < o.k-1 || int64(len(data)) == o.size)
		if !whole || o.known[i] && crc32.Checksum(data[at:][:n], object.Castagnoli) != o.crcs[i] {
			bad = append(bad, i)
		}
	}
	return bad
}

// Heal returns the original bytes of the protected object. data is what is left
// of it: any bytes of it may have changed, and it may be too short, too long or
// without its beginning, or nil if it is gone, which heals when there is as
// much parity as data. extra, which may be nil, tells the CRC32C of a data cell
// from elsewhere; it is asked only where no plate is left that does. A cell
// counts as lost when its CRC says so or is not known.
//
// What it returns is new memory and agrees with every CRC there is and with the
// code: a cell that is wrong in spite of its CRC is found by the others. It
// is ErrTooDamaged if more cells are lost, here and there, than M.
func (o *Object) Heal(data []byte, extra func(cell int) (crc uint32, ok bool)) ([]byte, error) {
	crcs, known := o.checksumsWith(extra)
	found := o.locate(data, crcs, known)
	lost, unknown := 0, 0
	for i, at := range found {
		if at < 0 {
			lost++
			if !known[i] {
				unknown++
			}
		}
	}
	parityLost, _ := o.Damage()
	tooDamaged := func() error {
		return fmt.Errorf("%w: %d of %d cells of the %v and %d of %d parity cells are lost", ErrTooDamaged, lost, o.k, o.of, parityLost, o.m)
	}
	left, guessed := o.m-parityLost, 0
	if lost > left && lost-unknown <= left && left >= 2 {
		// Cells that nobody has a CRC of are too many to be given up: they are
		// taken for good. The code and the CRCs of the cells that are computed
		// tell afterwards if they were not.
		guessed = o.guess(found, known, int64(len(data)))
	}
	if lost > guessed && lost-guessed > left {
		return nil, tooDamaged()
	}
	healed, ok := o.rebuild(data, found, crcs, known)
	switch {
	case ok:
		return healed, nil
	case guessed > 0:
		return nil, tooDamaged()
	}
	return nil, fmt.Errorf("%w: the cells of the %v that are left contradict each other", object.ErrDamaged, o.of)
}

// rebuild returns the protected object made of the cells found in data, and
// whether all that is left says that it is right: the CRCs that are known, and
// the parity object's units, which are made again.
func (o *Object) rebuild(data []byte, found []int64, crcs []uint32, known []bool) (healed []byte, ok bool) {
	healed, missing := make([]byte, o.size), make([]bool, o.k)
	for i, at := range found {
		if missing[i] = at < 0; !missing[i] {
			to, n := o.data(i)
			copy(healed[to:][:n], data[at:])
		}
	}
	if slices.Contains(missing, true) {
		o.compute(healed, missing)
	}
	whole, sums := o.encode(healed, nil)
	for i, sum := range sums {
		if known[i] && sum != crcs[i] {
			return nil, false
		}
	}
	return healed, o.agrees(whole)
}

// agrees reports whether the units that are left are those of a whole parity
// object.
func (o *Object) agrees(whole []byte) bool {
	for u, unit := range o.units {
		at := o.place(u) - int64(o.inUnit(u))
		if unit != nil && !bytes.Equal(unit, whole[at:][:o.cell]) {
			return false
		}
	}
	return true
}

// compute computes the missing cells of data: strip by strip, because which
// parity is left differs from one to the next, or at once if all of it is.
func (o *Object) compute(data []byte, missing []bool) {
	if !slices.ContainsFunc(o.units, isNil) {
		leopard.Rebuild(o.k, o.m, o.cell, data, missing, o.gather())
		return
	}
	parity := make([][]byte, o.m)
	var strips []byte
	for room := range o.rooms + 1 {
		from, to := o.strip(room)
		if from == to {
			continue
		}
		for i := range parity {
			if parity[i] = o.units[o.unitOf(i, room)]; parity[i] != nil {
				parity[i] = parity[i][from:to]
			}
		}
		width := to - from
		strips = slices.Grow(strips[:0], o.k*width)[:o.k*width]
		for i := range o.k {
			at, n := o.data(i)
			strip := strips[i*width:][:width]
			clear(strip[copy(strip, data[at:][min(from, n):min(to, n)]):])
		}
		leopard.Rebuild(o.k, o.m, width, strips, missing, parity)
		for i, lost := range missing {
			if at, n := o.data(i); lost {
				copy(data[at:][min(from, n):min(to, n)], strips[i*width:])
			}
		}
	}
}

// gather returns the parity cells out of all units.
func (o *Object) gather() [][]byte {
	cells, memory := make([][]byte, o.m), make([]byte, o.m*o.cell)
	for i := range cells {
		cells[i] = memory[i*o.cell:][:o.cell]
		for room := range o.rooms + 1 {
			from, to := o.strip(room)
			copy(cells[i][from:to], o.units[o.unitOf(i, room)][from:to])
		}
	}
	return cells
}

// checksumsWith returns the CRCs of all cells and which of them are known: from
// the plates, or else from extra.
func (o *Object) checksumsWith(extra func(int) (uint32, bool)) (crcs []uint32, known []bool) {
	crcs, known = append([]uint32(nil), o.crcs...), append([]bool(nil), o.known...)
	if extra != nil {
		for i := range o.k {
			if !known[i] {
				crcs[i], known[i] = extra(i)
			}
		}
	}
	return crcs, known
}

// locate returns where in data each data cell lies, -1 for those that are lost:
// at its place counted from the beginning, or from the end.
func (o *Object) locate(data []byte, crcs []uint32, known []bool) []int64 {
	found := make([]int64, o.k)
	shift := int64(len(data)) - o.size
	for i := range found {
		found[i] = -1
		if !known[i] {
			continue
		}
		at, n := o.data(i)
		for _, at := range []int64{at, at + shift} {
			if at >= 0 && at+int64(n) <= int64(len(data)) && crc32.Checksum(data[at:][:n], object.Castagnoli) == crcs[i] {
				found[i] = at
				break
			}
		}
	}
	return found
}

// guess takes cells of unknown CRC from where the cell before them suggests,
// and returns how many.
func (o *Object) guess(found []int64, known []bool, length int64) (guessed int) {
	next := int64(0)
	for i := range found {
		to, n := o.data(i)
		switch {
		case found[i] >= 0:
			next = found[i] - to
		case !known[i] && to+next >= 0 && to+next+int64(n) <= length:
			found[i] = to + next
			guessed++
		}
	}
	return guessed
}

// Repair returns the parity object as it was written, made anew from the
// protected object. It is object.ErrDamaged if data is not the protected object.
func (o *Object) Repair(data []byte) ([]byte, error) {
	if int64(len(data)) != o.size {
		return nil, fmt.Errorf("%w: %d bytes are not the %v of %d bytes", object.ErrDamaged, len(data), o.of, o.size)
	}
	whole, crcs := o.encode(data, nil)
	for i, crc := range crcs {
		if o.known[i] && crc != o.crcs[i] {
			return nil, fmt.Errorf("%w: cell %d is not that of the %v", object.ErrDamaged, i, o.of)
		}
	}
	if !o.agrees(whole) {
		return nil, fmt.Errorf("%w: what is left of the parity is not that of the %v", object.ErrDamaged, o.of)
	}
	return whole, nil
}
