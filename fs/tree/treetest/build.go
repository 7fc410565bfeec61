package treetest

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"garret/fs/tree"
	"garret/index"
)

// Spec is an entry of a tree to build.
type Spec struct {
	tree.Node        // content, size and totals are filled in
	Data      []byte // of a regular file
	Children  []Spec // of a directory, in any order
}

// Dir is a directory, drwxr-xr-x.
func Dir(name string, children ...Spec) Spec {
	return Spec{Node: tree.Node{Name: name, Type: tree.Directory, Mode: 0755, Links: 2}, Children: children}
}

// File is a regular file, -rw-r--r--.
func File(name, data string) Spec {
	return Spec{Node: tree.Node{Name: name, Type: tree.Regular, Mode: 0644, Links: 1}, Data: []byte(data)}
}

// Symlink is a symbolic link.
func Symlink(name, target string) Spec {
	return Spec{Node: tree.Node{Name: name, Type: tree.Symlink, Mode: 0777, Links: 1, Target: target}}
}

// Build stores a tree and returns its root. Files are cut every chunk bytes;
// pieces that are all zeros become holes.
func (s *Store) Build(root Spec, chunk int) (*tree.Node, error) {
	ctx := context.Background()
	n := root.Node
	switch n.Type {
	case tree.Regular:
		content, err := s.BuildContent(root.Data, chunk)
		if err != nil {
			return nil, err
		}
		n.Size, n.Content = uint64(len(root.Data)), content
	case tree.Directory:
		children := slices.SortedFunc(slices.Values(root.Children), func(a, b Spec) int { return strings.Compare(a.Name, b.Name) })
		b := tree.NewDirBuilder(s)
		for _, c := range children {
			child, err := s.Build(c, chunk)
			if err != nil {
				return nil, err
			}
			if err := b.Add(ctx, child); err != nil {
				return nil, err
			}
		}
		var err error
		if n.Dir, err = b.Finish(ctx); err != nil {
			return nil, err
		}
	}
	return &n, nil
}

// BuildContent stores a file's bytes as Build does.
func (s *Store) BuildContent(data []byte, chunk int) (tree.Content, error) {
	if len(data) <= tree.MaxInline {
		return tree.Content{Inline: bytes.Clone(data)}, nil
	}
	ctx := context.Background()
	b := tree.NewContentBuilder(s)
	for piece := range slices.Chunk(data, chunk) {
		p := tree.Part{Length: uint64(len(piece))}
		if len(bytes.Trim(piece, "\x00")) > 0 {
			p.ID = s.PutData(piece)
		}
		if err := b.Add(ctx, p); err != nil {
			return tree.Content{}, err
		}
	}
	return b.Finish(ctx)
}

var (
	_ tree.Putter = (*Store)(nil)
	_ tree.Loader = (*Store)(nil)
)

// Page returns the bytes of a stored page, for tests that forge others from
// them; nil when it is not there.
func (s *Store) Page(id index.ID) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.blobs[key{index.Tree, id}].data)
}
