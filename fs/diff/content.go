package diff

import (
	"fmt"

	"garret/fs/tree"
	"garret/index"
)

// maxPieces bounds the pieces of two files that are compared at a time: those of
// about 64 GiB that have changed.
const maxPieces = 1 << 18

// piece is a blob of a file's content, or a page that lists some.
type piece struct {
	tree.PartRef
	level int // blobs are -1, pages as they say
}

// content says how much of the content of two files differs: it takes away what
// both have, opens the highest pages that are left, and so on down to blobs.
func (r *run) content(a, b *tree.Node) (Bytes, error) {
	var sum Bytes
	x, y := pieces(a, &sum.Removed), pieces(b, &sum.Added)
	for {
		x, y = cancel(x, y)
		level := max(highest(x), highest(y))
		if level < 0 {
			break
		}
		var err error
		full := false
		for _, side := range [...]*[]piece{&x, &y} {
			if *side, full, err = r.open(*side, level, full); err != nil {
				return sum, err
			}
		}
		if full {
			sum.AtMost = true
			break
		}
	}
	for _, p := range x {
		sum.Removed += p.Bytes - p.Holes
	}
	for _, p := range y {
		sum.Added += p.Bytes - p.Holes
	}
	return sum, nil
}

// pieces returns what a file's node lists. What stands in the node itself is
// added to bytes.
func pieces(n *tree.Node, bytes *uint64) []piece {
	*bytes += uint64(len(n.Content.Inline))
	if p := n.Content.Pages; p.ID != (index.ID{}) {
		return []piece{{p.Ref(n.Size), int(p.Level)}}
	}
	list := make([]piece, 0, len(n.Content.Parts))
	for _, p := range n.Content.Parts {
		list = appendPart(list, p)
	}
	return list
}

func appendPart(list []piece, p tree.Part) []piece {
	if p.IsHole() {
		return list
	}
	return append(list, piece{tree.PartRef{ID: p.ID, Bytes: p.Length, Parts: 1}, -1})
}

func highest(list []piece) int {
	level := -1
	for _, p := range list {
		level = max(level, p.level)
	}
	return level
}

// cancel takes away what both lists have, as often as both have it.
func cancel(x, y []piece) (restX, restY []piece) {
	count := make(map[index.ID]int, len(x))
	for _, p := range x {
		count[p.ID]++
	}
	for _, p := range y {
		if count[p.ID] > 0 {
			count[p.ID]--
		} else {
			restY = append(restY, p)
		}
	}
	// What is left of count are the last ones of each ID.
	for i := len(x) - 1; i >= 0; i-- {
		if count[x[i].ID] > 0 {
			count[x[i].ID]--
			restX = append(restX, x[i])
		}
	}
	return restX, restY
}

// open puts what a level's pages list in their places. Full says that there
// is no room; the list then has pages left.
func (r *run) open(list []piece, level int, full bool) ([]piece, bool, error) {
	var out []piece
	for i, p := range list {
		if err := r.ctx.Err(); err != nil {
			return nil, full, err
		}
		if full || p.level < level {
			out = append(out, p)
			continue
		}
		b, err := r.loader.Blob(r.ctx, index.Tree, p.ID)
		if err != nil {
			return nil, full, err
		}
		r.stats.Pages++
		page, err := tree.ParseContentPage(b)
		if err == nil {
			err = page.Fits(uint32(level), p.PartRef)
		}
		if err != nil {
			return nil, full, fmt.Errorf("tree blob %s: %w", p.ID.Short(), err)
		}
		for j := range page.Len() {
			if level == 0 {
				out = appendPart(out, page.Part(j))
			} else {
				out = append(out, piece{page.Ref(j), level - 1})
			}
		}
		full = len(out)+len(list)-i > maxPieces
	}
	return out, full, nil
}
