package snapshot

import (
	"context"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"garret/fs/source"
)

// verdict asks the options. The directories above a source are not theirs to
// judge. The reason is empty when the entry stays.
func (w *dirWalk) verdict(e *entry, at *place) (Verdict, Reason) {
	o, st := w.s.o, &e.stat
	if o.Skip != nil && o.Skip(st.Dev, st.Ino) {
		return Prune, ByRepository
	}
	if !w.where.whole && !at.meant() {
		return Include, ""
	}
	if o.Filter != nil {
		if v := o.Filter(string(w.s.path)+e.node.Name, &e.node); v != Include {
			return v, ByPattern
		}
	}
	switch {
	case o.ExcludeNoDump && st.NoDump():
		return Prune, ByNoDump
	case o.ExcludeLarger > 0 && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size > o.ExcludeLarger:
		return Prune, BySize
	}
	return Include, ""
}

// exclude tells that an entry is left out without a look at it.
func (w *dirWalk) exclude(ctx context.Context, name source.Name, why Reason) error {
	e, err := w.s.out.slot(ctx)
	if err != nil {
		return err
	}
	e.op, e.reason, e.path = opExcluded, why, string(w.s.path)+name.String()
	return w.s.out.commit(ctx)
}

// avoided reports whether a mount is to be kept away from: to ask for the
// metadata of one that is dead may never end.
func (w *dirWalk) avoided(name source.Name) bool {
	mounts := w.s.avoid[name.String()]
	if len(mounts) == 0 {
		return false
	}
	// The path that the kernel gives it, whatever links led here.
	dir, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(w.fd))
	if err != nil {
		return false
	}
	if dir != "/" {
		dir += "/"
	}
	return slices.Contains(mounts, dir+name.String())
}

// tags returns the names of a directory's entries that say that it is not to be
// stored, or nothing but they.
func (s *scanner) tags(d *source.Dir) (tags []string) {
	if !s.o.ExcludeCaches && len(s.o.ExcludeIfPresent) == 0 {
		return nil
	}
	fd, err := d.Pin()
	if err != nil {
		return nil
	}
	defer d.Unpin()
	var st source.Stat
	for _, name := range s.o.ExcludeIfPresent {
		if source.StatAt(fd, source.NewName(name), &st) == nil {
			tags = append(tags, name)
		}
	}
	if s.o.ExcludeCaches && source.StatAt(fd, source.NewName(cacheTag), &st) == nil && isCacheTag(d) {
		tags = append(tags, cacheTag)
	}
	return tags
}

// The tag of a cache directory and how it begins, https://bford.info/cachedir/.
const (
	cacheTag       = "CACHEDIR.TAG"
	cacheSignature = "Signature: 8a477f597d28d172789f06886806bc55"
)

func isCacheTag(d *source.Dir) bool {
	f, err := d.OpenFile(source.NewName(cacheTag))
	if err != nil {
		return false
	}
	defer f.Close()
	var st source.Stat
	if f.Stat(&st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return false
	}
	var head [len(cacheSignature)]byte
	n, err := f.ReadAt(head[:], 0)
	return err == nil && string(head[:n]) == cacheSignature
}
