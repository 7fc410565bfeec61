package tree

import (
	"context"
	"slices"
)

// ContentBuilder gathers a file's parts. Up to MaxNodeParts of them stand in the
// node; more are stored as pages as these fill: the builder holds one open page
// a level. The same parts make the same pages. It is for one goroutine.
type ContentBuilder struct {
	p      Putter
	parts  []Part // until they are too many
	size   uint64
	hole   uint64 // length of a hole that may yet grow
	levels []contentLevel
}

// contentLevel is the open page of a level.
type contentLevel struct {
	page []byte
	len  int
	sum  PartRef
	hash uint64 // of the first part below
}

// NewContentBuilder returns a builder for one file after another.
func NewContentBuilder(p Putter) *ContentBuilder { return &ContentBuilder{p: p} }

// Size returns the bytes of the parts added since the last Finish.
func (b *ContentBuilder) Size() uint64 { return b.size }

// Add adds the next part; adjacent holes become one. The error wraps ErrInvalid
// when the part is empty or too long, which leaves the builder as it was; other
// errors are the Putter's.
func (b *ContentBuilder) Add(ctx context.Context, p Part) error {
	if err := p.validate(); err != nil {
		return err
	}
	if p.Length > MaxSize-b.size {
		return invalid("content is too long")
	}
	b.size += p.Length
	if p.IsHole() {
		b.hole += p.Length
		return nil
	}
	if err := b.addHole(ctx); err != nil {
		return err
	}
	return b.add(ctx, p)
}

// Finish returns the content, of Size bytes; the builder is then empty and ready
// for another file.
func (b *ContentBuilder) Finish(ctx context.Context) (Content, error) {
	defer b.Reset()
	if err := b.addHole(ctx); err != nil {
		return Content{}, err
	}
	if len(b.levels) == 0 || !b.used(0) {
		if len(b.parts) == 0 {
			return Content{}, nil
		}
		return Content{Parts: slices.Clone(b.parts)}, nil
	}
	level := 0
	for ; level+1 < len(b.levels) && b.used(level+1); level++ {
		if err := b.flush(ctx, level); err != nil {
			return Content{}, err
		}
	}
	r, err := b.put(ctx, level)
	if err != nil {
		return Content{}, err
	}
	return Content{Pages: Pages{r.ID, uint32(level), r.Parts, r.Holes}}, nil
}

// Reset drops what was added since the last Finish.
func (b *ContentBuilder) Reset() {
	b.parts, b.size, b.hole = b.parts[:0], 0, 0
	for i := range b.levels {
		b.levels[i].reset()
	}
}

func (b *ContentBuilder) addHole(ctx context.Context) error {
	if b.hole == 0 {
		return nil
	}
	p := Part{Length: b.hole}
	b.hole = 0
	return b.add(ctx, p)
}

func (b *ContentBuilder) add(ctx context.Context, p Part) error {
	if len(b.levels) == 0 || !b.used(0) {
		if len(b.parts) < MaxNodeParts {
			b.parts = append(b.parts, p)
			return nil
		}
		if len(b.levels) == 0 {
			b.levels = append(b.levels, contentLevel{})
		}
		for _, q := range b.parts {
			if err := b.addPart(ctx, q); err != nil {
				return err
			}
		}
		b.parts = b.parts[:0]
	}
	return b.addPart(ctx, p)
}

// partSize is the most that a part or reference takes in its page, bytes.
const partSize = 80

func (b *ContentBuilder) addPart(ctx context.Context, p Part) error {
	hash := hashID(p.ID)
	// A hole begins no page: its hash would be that of every hole.
	if l := &b.levels[0]; boundary(l.len, len(l.page), partSize, hash, 0) && (!p.IsHole() || l.len >= maxEntries) {
		if err := b.flush(ctx, 0); err != nil {
			return err
		}
	}
	l := b.open(0, hash)
	l.page = appendPart(l.page, tagPagePart, &p)
	l.len++
	l.sum.Bytes += p.Length
	l.sum.Parts++
	if p.IsHole() {
		l.sum.Holes += p.Length
	}
	return nil
}

func (b *ContentBuilder) used(level int) bool { return b.levels[level].len > 0 }

// open returns a level with a page begun.
func (b *ContentBuilder) open(level int, hash uint64) *contentLevel {
	l := &b.levels[level]
	if l.len == 0 {
		l.hash = hash
		l.page = appendUint(l.page[:0], tagPageLevel, uint64(level))
	}
	return l
}

func (l *contentLevel) reset() { *l = contentLevel{page: l.page[:0]} }

// put stores the open page of a level.
func (b *ContentBuilder) put(ctx context.Context, level int) (PartRef, error) {
	l := &b.levels[level]
	r := l.sum
	id, err := b.p.PutTree(ctx, l.page)
	r.ID = id
	return r, err
}

// flush stores the open page of a level and adds it to the level above.
func (b *ContentBuilder) flush(ctx context.Context, level int) error {
	r, err := b.put(ctx, level)
	if err != nil {
		return err
	}
	hash := b.levels[level].hash
	b.levels[level].reset()
	up := level + 1
	if up == len(b.levels) {
		b.levels = append(b.levels, contentLevel{})
	}
	if l := &b.levels[up]; boundary(l.len, len(l.page), partSize, hash, up) {
		if err := b.flush(ctx, up); err != nil {
			return err
		}
	}
	l := b.open(up, hash)
	l.page = appendMessage(l.page, tagPageRef, func(p []byte) []byte {
		p = appendID(p, r.ID)
		p = appendUint(p, tagRefBytes, r.Bytes)
		p = appendUint(p, tagRefParts, r.Parts)
		return appendUint(p, tagRefHoles, r.Holes)
	})
	l.len++
	l.sum.Bytes += r.Bytes
	l.sum.Parts += r.Parts
	l.sum.Holes += r.Holes
	return nil
}
