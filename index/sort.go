package index

import (
	"iter"
	"slices"
)

// sortTables brings sessions and packs in order and leaves out what occurs
// twice. ordinals[i] is the new place of the pack that was i-th.
func sortTables(sessions []Session, packs []packEntry) (s []Session, p []packEntry, ordinals []uint32) {
	s, renumbered := sortUnique(sessions, compareSessions)
	packs = slices.Clone(packs)
	for i := range packs {
		packs[i].session = renumbered[packs[i].session]
	}
	p, ordinals = sortUnique(packs, comparePacks)
	return s, p, ordinals
}

// sortUnique returns list in order, each value once, and for every index into
// list the index of that value in the result.
func sortUnique[T any](list []T, compare func(a, b T) int) (sorted []T, ordinals []uint32) {
	order := make([]uint32, len(list))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return compare(list[a], list[b]) })
	ordinals = make([]uint32, len(list))
	for _, i := range order {
		if n := len(sorted); n == 0 || compare(sorted[n-1], list[i]) != 0 {
			sorted = append(sorted, list[i])
		}
		ordinals[i] = uint32(len(sorted) - 1)
	}
	return sorted, ordinals
}

// sorted iterates over the rows in the order of a segment with the packs
// renumbered. The rows stay where they are: their ordinals are counted out into
// groups of some 32 by the IDs' first bits, and each group is sorted when its
// turn comes, which takes linear time for uniform IDs and 4 bytes a row. A row
// is valid until the next.
func (b *Builder) sorted(packs []uint32) iter.Seq[*row] {
	return func(yield func(*row) bool) {
		bits := fanBits(uint64(b.n))
		ends := make([]uint32, 1<<bits)
		for i := range b.n {
			ends[fanIndex(b.row(i).id[:], bits)]++
		}
		var sum uint32
		for g, n := range ends {
			ends[g] = sum // for now its start; it grows to the end as rows come in
			sum += n
		}
		order := make([]uint32, b.n)
		for i := range b.n {
			g := &ends[fanIndex(b.row(i).id[:], bits)]
			order[*g] = i
			*g++
		}
		var start uint32
		var group []row // a copy, so that sorting reads each row once
		for _, end := range ends {
			group = group[:0]
			for _, i := range order[start:end] {
				e := b.row(i)
				group = append(group, row{e.id, packs[e.pack], e.offset, e.length, e.frame, e.blob})
			}
			start = end
			slices.SortFunc(group, func(a, b row) int { return compareRows(&a, &b) })
			for i := range group {
				if !yield(&group[i]) {
					return
				}
			}
		}
	}
}
