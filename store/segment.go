package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"

	"garret/index"
	"garret/keys"
	"garret/store/backend"
	"garret/store/object"
)

// An index segment's object is its header, the segment's bytes sealed under
// the index key, its writer's signature, and a CRC32C. The signature is over
// the SHA-256 of the name and of all bytes before it.

const (
	segmentDomain = "index segment"
	minSegment    = int64(object.HeaderSize + keys.SignatureSize + object.CRCSize)
)

// encodeSegment seals what the builder holds.
func (r *Repository) encodeSegment(id SegmentID, b *index.Builder) ([]byte, error) {
	var plain bytes.Buffer
	if _, err := b.WriteTo(&plain); err != nil {
		return nil, err
	}
	name := segmentName(id)
	data := object.AppendHeader(nil, object.Segment)
	sealed, err := r.keys.Seal(keys.IndexKey, name, data, plain.Bytes())
	if err != nil {
		return nil, err
	}
	data = append(data, sealed...)
	h := segmentHash(name)
	h.Write(data)
	return object.Finish(append(data, r.keys.Sign(segmentDomain, h.Sum(nil))...)), nil
}

func segmentHash(name string) hash.Hash {
	h := sha256.New()
	h.Write([]byte(name))
	return h
}

// mapSegment returns the segment mapped into memory, out of the local cache if
// it is there. It reads no rows: what was cached was authentic and is synced.
func (r *Repository) mapSegment(ctx context.Context, id SegmentID, size int64) (*index.Segment, error) {
	if path, ok := r.cache.Segment(id.String()); ok {
		if s, err := index.OpenFile(path); err == nil {
			return s, nil
		}
		r.cache.RemoveSegment(id.String()) // damaged: fetch it again
	}
	f, path, err := r.cache.AddSegment(id.String(), func(w io.Writer) error {
		return r.decodeSegment(id, r.segmentReader(ctx, id), size, w)
	})
	if err != nil && ctx.Err() == nil && !missing(err) {
		// What cannot be read as it is may be read by its parity.
		if data, healErr := healedSegment(ctx, r.backend, id); healErr == nil {
			f, path, err = r.cache.AddSegment(id.String(), func(w io.Writer) error {
				return r.decodeSegment(id, bytes.NewReader(data), int64(len(data)), w)
			})
		}
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := index.OpenFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", object.ErrDamaged, err)
	}
	if err := s.Verify(); err != nil {
		s.Close()
		return nil, fmt.Errorf("%w: %w", object.ErrDamaged, err)
	}
	return s, nil
}

func (r *Repository) segmentReader(ctx context.Context, id SegmentID) io.ReaderAt {
	return object.ReaderAt{Ctx: ctx, Backend: r.backend, Name: segmentName(id)}
}

// decodeSegment writes the plaintext of a segment of size bytes to w, in
// constant memory, after which it is known to be authentic, or an error is
// returned.
func (r *Repository) decodeSegment(id SegmentID, at io.ReaderAt, size int64, w io.Writer) error {
	if size < minSegment {
		return fmt.Errorf("segment of %d bytes: %w", size, object.ErrDamaged)
	}
	name := segmentName(id)
	crc, digest := crc32.New(object.Castagnoli), segmentHash(name)

	head := make([]byte, object.HeaderSize)
	if _, err := at.ReadAt(head, 0); err != nil && err != io.EOF {
		return err
	}
	if _, err := object.ParseHeader(head, object.Segment); err != nil {
		return err
	}
	crc.Write(head)
	digest.Write(head)

	end := size - int64(keys.SignatureSize+object.CRCSize)
	body := io.TeeReader(io.NewSectionReader(at, object.HeaderSize, end-object.HeaderSize), io.MultiWriter(crc, digest))
	plain, err := r.keys.OpenReader(keys.IndexKey, name, head, body)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(w, plain, make([]byte, 256<<10)); err != nil {
		return err
	}
	tail := make([]byte, keys.SignatureSize+object.CRCSize)
	if _, err := at.ReadAt(tail, end); err != nil && err != io.EOF {
		return err
	}
	signature := tail[:keys.SignatureSize]
	crc.Write(signature)
	if crc.Sum32() != binary.LittleEndian.Uint32(tail[keys.SignatureSize:]) {
		return fmt.Errorf("%w: its CRC32C does not match", object.ErrDamaged)
	}
	_, err = r.keys.Verify(segmentDomain, digest.Sum(nil), signature)
	return err
}

// dropUnsound verifies all segments that are cached, merged ones too, and forgets
// those that are not sound.
func (r *Repository) dropUnsound() {
	damaged := func(path string) bool {
		s, err := index.OpenFile(path)
		if err == nil {
			err = errors.Join(s.Verify(), s.Close())
		}
		var cannot *fs.PathError // it is gone, or cannot be opened now
		return err != nil && !errors.As(err, &cannot)
	}
	for _, id := range r.cache.Segments() {
		if path, ok := r.cache.Segment(id); ok && damaged(path) {
			r.cache.RemoveSegment(id)
		}
	}
	for _, m := range r.cache.Merged() {
		if damaged(m.Path) {
			r.cache.RemoveMerged(m)
		}
	}
}

// addSegments maps the listed segments that the set does not have yet.
// Segments that are damaged or gone are reported and left out: the rest of the
// repository stays readable.
func (r *Repository) addSegments(ctx context.Context, set *index.Set, have map[SegmentID]bool) (problems []error, err error) {
	listed := make(map[SegmentID]int64) // sizes
	err = r.backend.List(ctx, dirIndex, func(e backend.Entry) error {
		id, err := parseSegmentID(base(e.Name))
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", e.Name, err))
			return nil
		}
		listed[id] = e.Size
		return nil
	})
	if err != nil || len(listed) == 0 { // a repository that is away for a moment lists none
		return problems, err
	}
	r.addMerged(set, have, listed)
	for id, size := range listed {
		if have[id] {
			continue
		}
		s, err := r.mapSegment(ctx, id, size)
		if err != nil {
			if ctx.Err() != nil {
				return problems, ctx.Err()
			}
			if !missing(err) { // deleted since it was listed
				problems = append(problems, fmt.Errorf("%s: %w", segmentName(id), err))
			}
			continue
		}
		set.Add(s)
		have[id] = true
	}
	if r.cache.Retain(func(id string) bool {
		segment, err := parseSegmentID(id)
		_, ok := listed[segment]
		return err == nil && ok
	}) > looseSegments {
		r.mergeSegments(listed)
	}
	return problems, nil
}
