package tree

import "bytes"

// Clone returns a builder that goes on from where b is, on its own: what is
// stored by both is stored once, because the same entries make the same pages.
// It serves to finish a directory that is not complete yet.
func (b *DirBuilder) Clone() *DirBuilder {
	c := &DirBuilder{p: b.p, levels: make([]dirLevel, len(b.levels)), last: b.last}
	for i, l := range b.levels {
		l.page = bytes.Clone(l.page)
		c.levels[i] = l
	}
	return c
}

// Clone returns a builder that goes on from where b is, on its own.
func (b *ContentBuilder) Clone() *ContentBuilder {
	c := &ContentBuilder{p: b.p, parts: append([]Part(nil), b.parts...), size: b.size, hole: b.hole,
		levels: make([]contentLevel, len(b.levels))}
	for i, l := range b.levels {
		l.page = bytes.Clone(l.page)
		c.levels[i] = l
	}
	return c
}
