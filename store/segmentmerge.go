package store

import (
	"cmp"
	"errors"
	"io"
	"slices"

	"garret/index"
	"garret/store/cache"
)

// A run adds a segment or more to the index, and a look-up asks each of them.
// So the local cache keeps many small ones merged into few large ones, each
// about twice as large as the next: a row is merged again only as often as the
// index has doubled. Segments in the repository stay what they are.

const (
	// looseSegments is how many segments may stand by themselves.
	looseSegments = 16
	// mergeAtOnce is how many bytes are merged before the index is used: that
	// takes some 10 ms. More are merged beside the work.
	mergeAtOnce = 4 << 20
)

// addMerged maps the merged files whose segments are all listed and none of
// which the set has, and notes these in have. Others are removed: a segment
// that is not listed any more must not be believed.
func (r *Repository) addMerged(set *index.Set, have map[SegmentID]bool, listed map[SegmentID]int64) {
	merged := r.cache.Merged()
	slices.SortFunc(merged, func(a, b cache.Merged) int { return cmp.Compare(len(b.IDs), len(a.IDs)) })
	used := make(map[SegmentID]bool)
	for _, m := range merged {
		stale := slices.ContainsFunc(m.IDs, func(id [16]byte) bool {
			_, ok := listed[id]
			return !ok
		})
		double := slices.ContainsFunc(m.IDs, func(id [16]byte) bool { return used[id] })
		switch {
		case stale || double:
			r.cache.RemoveMerged(m)
			continue
		case slices.ContainsFunc(m.IDs, func(id [16]byte) bool { return have[id] }):
			continue // the set has some of it already
		}
		seg, err := index.OpenFile(m.Path)
		if err != nil {
			r.cache.RemoveMerged(m)
			continue
		}
		set.Add(seg)
		for _, id := range m.IDs {
			used[id] = true
		}
	}
	for id := range used {
		have[id] = true
	}
}

// mergeSegments merges what the cache holds of the listed segments if too many
// stand by themselves. It opens the files anew, so that whoever has mapped them
// may end meanwhile.
func (r *Repository) mergeSegments(listed map[SegmentID]int64) {
	covered := make(map[SegmentID]bool)
	merged := r.cache.Merged()
	for _, m := range merged {
		for _, id := range m.IDs {
			covered[id] = true
		}
	}
	var loose []SegmentID
	var bytes int64
	for id, size := range listed {
		if _, ok := r.cache.Segment(id.String()); ok && !covered[id] {
			loose = append(loose, id)
			bytes += size
		}
	}
	if len(loose) <= looseSegments {
		return
	}
	slices.SortFunc(merged, func(a, b cache.Merged) int { return cmp.Compare(a.Size, b.Size) })
	var with []cache.Merged
	for _, m := range merged {
		if m.Size > 2*bytes {
			break
		}
		with = append(with, m)
		bytes += m.Size
	}
	merge := func() {
		end, ok := r.cache.Alone()
		if !ok {
			return // another process does it
		}
		defer end()
		if err := r.mergeFiles(loose, with); err != nil {
			return // the cache is only a cache: the segments stay as they are
		}
		for _, m := range with {
			r.cache.RemoveMerged(m)
		}
		for _, id := range loose {
			r.cache.RemoveSegment(id.String())
		}
	}
	if !r.merging.TryLock() {
		return // it is being done
	}
	if bytes <= mergeAtOnce {
		defer r.merging.Unlock()
		merge()
		return
	}
	go func() {
		defer r.merging.Unlock()
		merge()
	}()
}

// mergeFiles adds the merged file of the segments and the merged files given.
func (r *Repository) mergeFiles(loose []SegmentID, with []cache.Merged) error {
	var ids [][16]byte
	var segs []*index.Segment
	defer func() {
		for _, s := range segs {
			_ = s.Close()
		}
	}()
	open := func(path string, of ...[16]byte) error {
		s, err := index.OpenFile(path)
		if err != nil {
			return err
		}
		// What is merged gets checksums of its own, so that nobody would notice later.
		if err := s.Verify(); err != nil {
			return errors.Join(err, s.Close())
		}
		segs, ids = append(segs, s), append(ids, of...)
		return nil
	}
	for _, id := range loose {
		path, ok := r.cache.Segment(id.String())
		if !ok {
			continue // another process has just merged it
		}
		if err := open(path, id); errors.Is(err, index.ErrDamaged) {
			r.cache.RemoveSegment(id.String())
			return err
		} else if err != nil {
			return err
		}
	}
	for _, m := range with {
		if err := open(m.Path, m.IDs...); errors.Is(err, index.ErrDamaged) {
			r.cache.RemoveMerged(m)
			return err
		} else if err != nil {
			return err
		}
	}
	return r.cache.AddMerged(ids, func(w io.Writer) error {
		_, err := index.Merge(w, segs...)
		return err
	})
}
