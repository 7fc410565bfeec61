package tree

import "sort"

// Find returns the node of that name; in a page of references, the one below
// which it would be.
func (p *DirPage) Find(name string) (i int, ok bool) {
	if p.level > 0 {
		i = sort.Search(len(p.refs), func(i int) bool { return p.refs[i].First > name }) - 1
		return i, i >= 0
	}
	lo, hi := 0, len(p.slots)
	for lo < hi {
		m := int(uint(lo+hi) / 2)
		if p.Name(m) < name {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo, lo < len(p.slots) && p.Name(lo) == name
}

// FindTotal returns the node or reference at, or above, the entry that has
// total entries of all levels before it in this page; total must be less than
// that of the page.
func (p *DirPage) FindTotal(total uint64) int {
	if p.level > 0 {
		return sort.Search(len(p.before), func(i int) bool { return p.before[i].total > total }) - 1
	}
	lo, hi := 0, len(p.slots)
	if p.totals.Subdirs == 0 {
		return int(total)
	}
	for lo < hi {
		m := int(uint(lo+hi) / 2)
		if p.slots[m].before <= total {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo - 1
}

// FindEntry returns the reference below which the directory's child lies that
// has n direct children before it in this page, or in a page of level 0 that
// child itself; n must be less than the page's entries.
func (p *DirPage) FindEntry(n uint64) int {
	if p.level == 0 {
		return int(n)
	}
	return sort.Search(len(p.before), func(i int) bool { return p.before[i].entries > n }) - 1
}

// Fits checks the page against what its parent says: level and totals are
// want's, the first name is first and all are less than limit, where those are
// not empty. The error wraps ErrInvalid.
func (p *DirPage) Fits(want *Dir, first, limit string) error {
	if t := &p.totals; t.Level != want.Level || t.Entries != want.Entries || t.Subdirs != want.Subdirs || t.Total != want.Total || t.Bytes != want.Bytes {
		return invalid("a page's totals are not those that its parent gives")
	}
	if first != "" && p.Name(0) != first || limit != "" && p.Name(p.Len()-1) >= limit {
		return invalid("a page's names are not those that its parent gives")
	}
	return nil
}
