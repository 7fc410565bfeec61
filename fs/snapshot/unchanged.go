package snapshot

import (
	"time"

	"garret/fs/source"
	"garret/fs/tree"
)

// A file was read at some moment after its parent run began. If it was changed
// again after that, but within the same tick of the clock that stamps it, its
// times look the same. So a file is only believed to be unchanged when its
// times lie before the run by more than such a tick.
const (
	// fineTick: the kernel stamps with the time of its last timer interrupt,
	// at most 10 ms ago (HZ=100); doubled.
	fineTick = 20 * time.Millisecond
	// coarseTick: FAT keeps two seconds, ext2/ext3, HFS and many servers one.
	coarseTick = 2 * time.Second
)

// Detection says what has to be the same for a file to be unchanged, which is
// then not read.
type Detection uint8

// Detections. A file system that makes up inode numbers (some FUSE ones), or one
// that sets change times without need, wants one that does not look at those;
// who can set a file's modification time can hide a change from these.
const (
	CtimeSizeInode Detection = iota // change time, modification time, size, inode
	MtimeSizeInode
	MtimeSize
	AlwaysRead // read every file; one that turns out to have the parent's content counts as unchanged
	Rechunk    // read every file, as if there were no parent
)

// unchanged reports whether a file's content is still what the parent's node
// says, as far as metadata can tell. Whether its blobs are there is another
// question.
func (d Detection) unchanged(st *source.Stat, dev *device, prior *tree.Node, p *Parent) bool {
	return prior.Type == tree.Regular && prior.Size == st.Size && d.same(st, dev, prior, p)
}

// same is unchanged but for the size.
func (d Detection) same(st *source.Stat, dev *device, prior *tree.Node, p *Parent) bool {
	switch {
	case d >= AlwaysRead,
		prior.ModTime != st.ModTime,
		d == CtimeSizeInode && prior.ChangeTime != st.ChangeTime,
		d != MtimeSize && prior.Inode != st.Ino:
		return false
	}
	return !d.young(st, dev, prior, p)
}

// young reports whether one of a file's times could be given to it again by a
// change after the parent run read it.
func (d Detection) young(st *source.Stat, dev *device, prior *tree.Node, p *Parent) bool {
	network, newest := dev.network(), tree.Time{}
	if int(prior.Device) < len(p.Devices) {
		device := p.Devices[prior.Device]
		network = network || device.Network
		newest = device.Newest
	}
	tick := fineTick
	// Whole seconds in a time that only the kernel sets: the file system keeps
	// nothing finer. (Of others, one file in a thousand million is read in vain.)
	if network || st.ChangeTime.Nsec == 0 {
		tick = coarseTick
	}
	trusted := tree.TimeOf(p.Started.Add(-tick))
	ctime := st.ChangeTime
	if d != CtimeSizeInode {
		ctime = st.ModTime // the other is not looked at
	}
	if st.ModTime.Compare(trusted) > 0 || ctime.Compare(trusted) > 0 {
		return true
	}
	// Started says nothing about another machine's clock. The newest time met
	// there is the nearest thing to what that clock showed.
	return network && !newest.IsZero() && (st.ModTime == newest || ctime == newest)
}

// newer returns the later of t and the change time of a regular file. A
// modification time can be set to anything, so it only counts where the file
// system has no other.
func newer(t tree.Time, n *tree.Node) tree.Time {
	c := n.ChangeTime
	if c.IsZero() {
		c = n.ModTime
	}
	if c.Compare(t) > 0 {
		return c
	}
	return t
}
