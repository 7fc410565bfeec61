package tree

import (
	"strings"

	"garret/index"
)

// ValidName reports whether name can be a directory entry's.
func ValidName(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > MaxName {
		return false
	}
	for i := range len(name) {
		if c := name[i]; c == '/' || c == 0 {
			return false
		}
	}
	return true
}

// Validate checks what a node alone can show: ranges, and that it has what its
// type has and nothing else. An empty name passes; a directory's entry has none.
func (n *Node) Validate() error {
	if n.Name != "" && !ValidName(n.Name) {
		return invalid("name %.64q", n.Name)
	}
	if n.Type < Regular || n.Type > FIFO {
		return invalid("type %d", n.Type)
	}
	if n.Mode > 07777 {
		return invalid("mode %#o", n.Mode)
	}
	if !validLabel(n.User) || !validLabel(n.Group) {
		return invalid("user or group name")
	}
	for _, t := range [...]Time{n.ModTime, n.ChangeTime, n.BirthTime, n.AccessTime} {
		if t.Nsec >= 1e9 {
			return invalid("%d nanoseconds", t.Nsec)
		}
	}
	if n.Rdev != 0 && n.Type != BlockDevice && n.Type != CharDevice {
		return invalid("device number of a %v", n.Type)
	}
	if (n.Target != "") != (n.Type == Symlink) || len(n.Target) > MaxTarget || strings.IndexByte(n.Target, 0) >= 0 {
		return invalid("target of a %v", n.Type)
	}
	for i, x := range n.Xattrs {
		if x.Name == "" || !validLabel(x.Name) || i > 0 && x.Name <= n.Xattrs[i-1].Name {
			return invalid("extended attribute %.64q", x.Name)
		}
	}
	if n.Type == Regular {
		if err := n.validateContent(); err != nil {
			return err
		}
	} else if n.Size != 0 || len(n.Digest) > 0 || len(n.Content.Inline) > 0 || len(n.Content.Parts) > 0 || n.Content.Pages != (Pages{}) {
		return invalid("content of a %v", n.Type)
	}
	if n.Type == Directory {
		return n.Dir.validate()
	} else if n.Dir != (Dir{}) {
		return invalid("entries of a %v", n.Type)
	}
	return nil
}

func validLabel(s string) bool {
	return len(s) <= MaxName && strings.IndexByte(s, 0) < 0
}

func (n *Node) validateContent() error {
	c := &n.Content
	if n.Size > MaxSize || len(n.Digest) > MaxDigest {
		return invalid("size %d, digest of %d bytes", n.Size, len(n.Digest))
	}
	inline, parts, pages := len(c.Inline) > 0, len(c.Parts) > 0, c.Pages != (Pages{})
	switch {
	case inline && !parts && !pages:
		if len(c.Inline) > MaxInline || uint64(len(c.Inline)) != n.Size {
			return invalid("%d bytes stand in the node of a file of %d", len(c.Inline), n.Size)
		}
	case parts && !inline && !pages:
		return n.validateParts()
	case pages && !inline && !parts:
		p := c.Pages
		if p.ID == (index.ID{}) || p.Level > MaxLevel || p.Parts == 0 || p.Parts > n.Size || p.Holes > n.Size {
			return invalid("content list of a file of %d bytes", n.Size)
		}
	case inline || parts || pages:
		return invalid("more than one content")
	case n.Size != 0:
		return invalid("no content for %d bytes", n.Size)
	}
	return nil
}

func (n *Node) validateParts() error {
	// Twice what is written, so that a later version may write more.
	if len(n.Content.Parts) > 2*MaxNodeParts {
		return invalid("%d parts in a node", len(n.Content.Parts))
	}
	var sum uint64
	for _, p := range n.Content.Parts {
		if err := p.validate(); err != nil {
			return err
		}
		if sum += p.Length; sum > MaxSize {
			return invalid("parts are too long")
		}
	}
	if sum != n.Size {
		return invalid("parts of %d bytes for a file of %d", sum, n.Size)
	}
	return nil
}

func (p Part) validate() error {
	if p.Length == 0 || p.Length > MaxSize || !p.IsHole() && p.Length >= MaxBlob {
		return invalid("part of %d bytes", p.Length)
	}
	return nil
}

// validate checks that the totals can be those of a directory.
func (d Dir) validate() error {
	if d.ID == (index.ID{}) {
		if d != (Dir{}) {
			return invalid("totals of an empty directory")
		}
		return nil
	}
	switch {
	case d.Level > MaxLevel:
		return invalid("level %d", d.Level)
	case d.Entries == 0 || d.Subdirs > d.Entries || d.Total < d.Entries || d.Total > MaxTotal || d.Bytes > MaxSize,
		d.Subdirs == 0 && d.Total > d.Entries:
		return invalid("totals: %d entries, %d directories, %d in all, %d bytes", d.Entries, d.Subdirs, d.Total, d.Bytes)
	}
	return nil
}

// add counts one more child, or the part of a directory that a page holds.
func (d *Dir) add(entries, subdirs, total, bytes uint64) error {
	d.Entries += entries
	d.Subdirs += subdirs
	d.Total += total
	d.Bytes += bytes
	// Each summand is within its bound, so none of the sums can have wrapped.
	if d.Total > MaxTotal || d.Bytes > MaxSize {
		return invalid("totals overflow: %d entries, %d bytes", d.Total, d.Bytes)
	}
	return nil
}

// addNode counts a validated node.
func (d *Dir) addNode(n *Node) error {
	if n.Type == Directory {
		return d.add(1, 1, 1+n.Dir.Total, n.Dir.Bytes)
	}
	return d.add(1, 0, 1, n.Size)
}
