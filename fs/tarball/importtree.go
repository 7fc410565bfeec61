package tarball

import (
	"archive/tar"
	"errors"
	"fmt"
	"maps"
	"slices"

	"garret/fs/tree"
)

// inode is an entry of the tree to be, under all of its names.
type inode struct {
	node     []byte // encoded, which takes a fraction of the memory
	names    uint64
	number   uint64            // once it has more than one name
	children map[string]*inode // of a directory
	made     bool              // a directory that was not in the archive so far
}

func (i *inode) isDir() bool { return i.children != nil }

// directory makes one that the archive does not have (yet).
func (m *importer) directory() *inode {
	return &inode{node: m.made, names: 1, children: make(map[string]*inode), made: true}
}

// parent returns the directory that a path is in, and makes what is missing. It
// returns nil when something else is in the way.
func (m *importer) parent(names []string) *inode {
	dir := m.root
	for _, name := range names[:len(names)-1] {
		next := dir.children[name]
		if next == nil {
			next = m.directory()
			dir.children[name] = next
		}
		if !next.isDir() {
			return nil
		}
		dir = next
	}
	return dir
}

// place adds an entry. A directory that is there already gets its metadata.
func (m *importer) place(path string, names []string, n *tree.Node) {
	fresh := &inode{node: tree.AppendNode(nil, n)}
	if n.Type != tree.Directory {
		m.name(path, names, fresh)
		return
	}
	there := m.root
	if len(names) > 0 {
		dir := m.parent(names)
		if dir == nil {
			m.warn(path, ErrInTheWay)
			return
		}
		there = dir.children[names[len(names)-1]]
	}
	if there == nil || !there.isDir() {
		fresh.children = make(map[string]*inode)
		m.name(path, names, fresh)
		return
	}
	if !there.made {
		m.warn(path, ErrDoubled)
	}
	there.node, there.made = fresh.node, false
}

// name gives an entry a name. What had it before has it no more, unless it is a
// directory that is not empty.
func (m *importer) name(path string, names []string, i *inode) {
	if len(names) == 0 {
		m.warn(path, ErrPath)
		return
	}
	dir, base := m.parent(names), names[len(names)-1]
	if dir == nil || len(dir.children[base].below()) > 0 {
		m.warn(path, ErrInTheWay)
		return
	}
	if old := dir.children[base]; old != nil {
		if old == i {
			return
		}
		m.warn(path, ErrDoubled)
		old.names--
	}
	dir.children[base] = i
	if i.names++; i.names == 2 && i.number == 0 {
		m.last++
		i.number = m.last
	}
}

func (i *inode) below() map[string]*inode {
	if i == nil {
		return nil
	}
	return i.children
}

// hardLink gives what the archive has had before another name.
func (m *importer) hardLink(h *tar.Header, names []string) {
	target, ok := splitPath(h.Linkname)
	to := m.root
	for _, name := range target {
		if to = to.below()[name]; to == nil {
			break
		}
	}
	if !ok || to == nil || to.isDir() {
		m.warn(h.Name, fmt.Errorf("%.256q: %w", h.Linkname, ErrNoTarget))
		return
	}
	m.name(h.Name, names, to)
}

// build stores a directory, those in it first.
func (m *importer) build(path string, dir *inode) (*tree.Node, error) {
	n, err := tree.ParseNode(dir.node)
	if err != nil {
		return nil, err
	}
	b := tree.NewDirBuilder(m)
	for _, name := range slices.Sorted(maps.Keys(dir.children)) {
		if err := m.ctx.Err(); err != nil {
			return nil, err
		}
		i, below := dir.children[name], path+name
		var child *tree.Node
		if i.isDir() {
			child, err = m.build(below+"/", i)
		} else {
			child, err = tree.ParseNode(i.node)
		}
		if err != nil {
			return nil, err
		}
		child.Name = name
		if !i.isDir() {
			child.Links, child.Inode = i.names, i.number
		}
		err = b.Add(m.ctx, child)
		if errors.Is(err, tree.ErrInvalid) { // an attribute of megabytes
			m.warn(below, err)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("store %.256q: %w", below, err)
		}
		m.count(child)
	}
	dir.children = map[string]*inode{} // it is stored
	m.result.Dirs++
	n.Dir, err = b.Finish(m.ctx)
	return n, err
}

func (m *importer) count(n *tree.Node) {
	switch n.Type {
	case tree.Regular:
		m.result.Files++
		m.result.Bytes += n.Size
	case tree.Directory: // counted when it was built
	default:
		m.result.Others++
	}
}
