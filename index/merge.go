package index

import (
	"fmt"
	"io"
	"runtime/debug"
	"slices"
)

// Merge writes one segment with the rows of all the given ones, identical rows
// once. It streams: memory is taken for packs and sessions and for the fan-out
// (4 bytes for some 16 to 32 rows), never for rows. Errors wrap [ErrDamaged]
// when a segment is out of order or refers to nothing, [ErrLimit] when the
// result would be too large, or are the writer's.
func Merge(w io.Writer, segs ...*Segment) (n int64, err error) {
	defer func(onFault bool) {
		debug.SetPanicOnFault(onFault)
		if r := recover(); r != nil {
			i := slices.IndexFunc(segs, func(s *Segment) bool { return s.isFault(r) })
			if i < 0 {
				panic(r)
			}
			segs[i].keepFault(r)
			err = segs[i].Err()
		}
	}(debug.SetPanicOnFault(true))

	m, sessions, packs, err := newMerger(segs)
	if err != nil {
		return 0, err
	}
	var rows uint64
	for _, s := range segs {
		rows += uint64(s.Len())
	}
	o, err := newWriter(w, sessions, packs, rows)
	if err != nil {
		return 0, err
	}
	for len(m) > 0 {
		top := m[0]
		if err := o.add(&top.row); err != nil {
			return o.n, err
		}
		more, err := top.next()
		if err != nil {
			return o.n, err
		}
		if !more {
			m[0] = m[len(m)-1]
			m = m[:len(m)-1]
		}
		m.down(0)
	}
	return o.finish()
}

// merger is a binary heap of cursors, the least row on top.
type merger []*cursor

// newMerger returns the cursors on their first rows and the united tables.
func newMerger(segs []*Segment) (merger, []Session, []packEntry, error) {
	var sessions []Session
	var packs []packEntry
	for _, s := range segs {
		first := uint32(len(sessions))
		for v := range s.Sessions() {
			sessions = append(sessions, v)
		}
		count := uint32(len(sessions)) - first
		if count != s.head.sessions {
			return nil, nil, nil, fmt.Errorf("%w: session table", ErrDamaged)
		}
		for i := range uint32(s.NumPacks()) {
			p := s.packEntry(i)
			if p.session >= count {
				return nil, nil, nil, fmt.Errorf("%w: pack %s of no session", ErrDamaged, p.ID)
			}
			p.session += first
			packs = append(packs, p)
		}
		if err := s.Err(); err != nil {
			return nil, nil, nil, err
		}
	}
	sessions, packs, ordinals := sortTables(sessions, packs)
	var m merger
	for _, s := range segs {
		c := &cursor{seg: s, packs: ordinals[:s.NumPacks()]}
		ordinals = ordinals[s.NumPacks():]
		more, err := c.next()
		if err != nil {
			return nil, nil, nil, err
		}
		if more {
			m = append(m, c)
		}
	}
	for i := len(m)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return m, sessions, packs, nil
}

// down moves the cursor at i to its place.
func (m merger) down(i int) {
	for {
		least := 2*i + 1
		if least >= len(m) {
			return
		}
		if r := least + 1; r < len(m) && compareRows(&m[r].row, &m[least].row) < 0 {
			least = r
		}
		if compareRows(&m[i].row, &m[least].row) <= 0 {
			return
		}
		m[i], m[least] = m[least], m[i]
		i = least
	}
}

// cursor goes through the rows of one segment. Both pack tables being in order,
// renumbering leaves the rows in order.
type cursor struct {
	seg   *Segment
	packs []uint32 // new ordinals
	i     int      // of the next row
	row   row
}

// next decodes the next row; there is none when it returns false.
func (c *cursor) next() (bool, error) {
	if c.i == c.seg.Len() {
		return false, nil
	}
	c.row.decode(c.seg.rows[c.i*rowSize:][:rowSize])
	c.i++
	if c.row.pack >= uint32(len(c.packs)) {
		return false, fmt.Errorf("%w: row %d refers to no pack", ErrDamaged, c.i-1)
	}
	c.row.pack = c.packs[c.row.pack]
	return true, nil
}
