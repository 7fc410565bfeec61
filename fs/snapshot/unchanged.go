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

// unchanged reports whether a file's content is still what the parent's node
// says, as far as metadata can tell. Whether its blobs are there is another
// question.
func unchanged(st *source.Stat, dev *device, prior *tree.Node, p *Parent, ignoreInode bool) bool {
	return prior.Type == tree.Regular &&
		prior.Size == st.Size &&
		prior.ModTime == st.ModTime &&
		prior.ChangeTime == st.ChangeTime &&
		(ignoreInode || prior.Inode == st.Ino) &&
		!young(st, dev, prior, p)
}

// young reports whether one of a file's times could be given to it again by a
// change after the parent run read it.
func young(st *source.Stat, dev *device, prior *tree.Node, p *Parent) bool {
	network, newest := dev.network(), tree.Time{}
	if int(prior.Device) < len(p.Devices) {
		d := p.Devices[prior.Device]
		network = network || d.Network
		newest = d.Newest
	}
	tick := fineTick
	// Whole seconds in a time that only the kernel sets: the file system keeps
	// nothing finer. (Of others, one file in a thousand million is read in vain.)
	if network || st.ChangeTime.Nsec == 0 {
		tick = coarseTick
	}
	trusted := tree.TimeOf(p.Started.Add(-tick))
	if st.ModTime.Compare(trusted) > 0 || st.ChangeTime.Compare(trusted) > 0 {
		return true
	}
	// Started says nothing about another machine's clock. The newest time met
	// there is the nearest thing to what that clock showed.
	return network && !newest.IsZero() && (st.ModTime == newest || st.ChangeTime == newest)
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
