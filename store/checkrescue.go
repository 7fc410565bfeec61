package store

import (
	"bytes"
	"context"
	"io"

	"garret/index"
	"garret/store/object"
	"garret/store/pack"
)

// When something that is needed seems lost, more is asked than the index: packs
// that no segment lists say themselves what they hold, and where a whole pack or
// segment is gone its parity may be as good. What is found so counts as there,
// and repair brings it into the index.

// rescue adds to the index what packs and parity tell, and checks the packs
// that this brings in.
func (c *checker) rescue(ctx context.Context) error {
	c.before = map[index.Kind]*marks{}
	for kind, m := range c.sound {
		c.before[kind] = m.clone()
		c.all = append(c.all, c.before[kind])
	}
	if err := c.rescueSegments(ctx); err != nil {
		return err
	}
	build := index.NewBuilder()
	for _, p := range append(c.unlistedPacks(), c.orphanedPacks()...) {
		if err := c.adopt(ctx, p, build); err != nil {
			return err
		}
		if build.Len() >= segmentRows {
			if err := c.addBuilt(build); err != nil {
				return err
			}
		}
	}
	if err := c.addBuilt(build); err != nil {
		return err
	}
	for _, m := range c.all {
		m.grow(c.set.Rows())
	}
	c.want()
	return c.checkPacks(ctx, index.Tree, index.Data)
}

// rescueSegments adds the segments of which only parity is left.
func (c *checker) rescueSegments(ctx context.Context) error {
	for _, id := range c.orphans() {
		seg, err := c.healSegment(ctx, id)
		if stop := fatal(ctx, err); stop != nil {
			return stop
		}
		if seg != nil {
			c.rescued[id] = true
			c.addSegment(segmentName(id), seg)
		}
	}
	for _, m := range c.all {
		m.grow(c.set.Rows())
	}
	return nil
}

// unlistedPacks returns the packs that hold blobs that no segment lists.
func (c *checker) unlistedPacks() []*packState {
	return c.sortedPacks(func(p *packState) bool {
		return !c.condemned[p.ID] && p.size != absent && (!p.indexed || p.unlisted > 0)
	})
}

// orphanedPacks returns the packs of which nothing but the parity is left.
func (c *checker) orphanedPacks() (packs []*packState) {
	for _, id := range c.orphans() {
		if !c.rescued[id] && !c.condemned[id] {
			packs = append(packs, &packState{Pack: index.Pack{ID: id}, size: absent})
		}
	}
	return packs
}

// adopt adds what a pack says that it holds, and the index does not, to build.
// A pack that cannot be read is left out.
func (c *checker) adopt(ctx context.Context, p *packState, build *index.Builder) error {
	var placed []pack.Placed
	var in index.Session
	err := error(object.ErrDamaged)
	size := p.size
	if size != absent {
		placed, in, err = c.ownAccount(p, object.ReaderAt{Ctx: ctx, Backend: c.r.backend, Name: p.name()}, size)
	}
	if stop := fatal(ctx, err); stop != nil {
		return stop
	}
	if err != nil && !p.indexed {
		data, healErr := healedPack(ctx, c.r.backend, p.ID)
		if stop := fatal(ctx, healErr); stop != nil {
			return stop
		}
		if healErr == nil {
			size = int64(len(data))
			placed, in, err = c.ownAccount(p, bytes.NewReader(data), size)
		}
	}
	if err != nil {
		return nil
	}
	c.rescued[p.ID] = true
	c.packs[p.ID] = p
	n := build.AddPack(p.Pack, in)
	for i, f := range placed {
		for j, id := range f.IDs {
			at := index.Location{Pack: p.ID, Kind: p.Kind, Offset: f.Offset, Length: f.Length, Frame: uint16(i), Blob: uint16(j)}
			if !p.indexed || !c.lists(id, at) {
				build.Add(id, n, f.Offset, f.Length, uint16(i), uint16(j))
			}
		}
	}
	p.again = p.indexed
	p.adopted = !p.indexed
	p.indexed, p.checked = true, 0
	return nil
}

// ownAccount reads a pack's directory by what its header says.
func (c *checker) ownAccount(p *packState, at io.ReaderAt, size int64) ([]pack.Placed, index.Session, error) {
	head := make([]byte, min(size, pack.HeaderRead))
	if err := readWhole(at, head, 0); err != nil {
		return nil, index.Session{}, err
	}
	h, err := pack.ParseHeader(head)
	if err != nil {
		return nil, index.Session{}, err
	}
	layout, err := pack.ReadLayout(at, size)
	if err != nil {
		return nil, index.Session{}, err
	}
	in := index.Session{ID: h.Session, Epoch: h.Epoch, Encapsulation: h.Encapsulation}
	opener, err := c.opener(p.ID, h.Kind, in)
	if err != nil {
		return nil, index.Session{}, err
	}
	placed, err := opener.Directory(at, layout, h.Len())
	if err == nil && !p.indexed {
		p.Pack = index.Pack{ID: p.ID, Size: uint32(size), Kind: h.Kind}
	}
	return placed, in, err
}

// addBuilt adds the builder's rows to the index as one more segment, which is
// not kept.
func (c *checker) addBuilt(build *index.Builder) error {
	if build.Len() == 0 {
		return nil
	}
	defer build.Reset()
	name := "tmp-" + newSegmentID().String()
	f, path, err := c.r.cache.AddSegment(name, func(w io.Writer) error {
		_, err := build.WriteTo(w)
		return err
	})
	if err != nil {
		return err
	}
	defer f.Close()
	defer c.r.cache.RemoveSegment(name)
	seg, err := index.OpenFile(path)
	if err == nil {
		c.set.Add(seg)
	}
	return err
}

// needs notes that a blob is needed: if the index alone would not have told
// where it is, so are the packs that were asked.
func (c *checker) needs(kind index.Kind, id index.ID, ordinal uint64) {
	if kind == index.Data {
		c.needed.set(ordinal)
	}
	if c.before == nil || c.before[kind].has(ordinal) {
		return
	}
	c.set.Lookup(id, func(at index.Location) bool {
		if p := c.packs[at.Pack]; p != nil && (p.adopted || p.unlisted > 0) {
			p.needed = true
		}
		return true
	})
}
