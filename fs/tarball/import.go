package tarball

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"garret/chunking"
	"garret/fs/source"
	"garret/fs/tree"
	"garret/index"
)

// Store takes the blobs of an import; see snapshot.Store.
type Store interface {
	ID(kind index.Kind, data []byte) index.ID
	Put(ctx context.Context, kind index.Kind, id index.ID, data []byte) (added bool, err error)
	PutPart(ctx context.Context, id index.ID, data []byte) (added bool, err error)
}

// ImportOptions say how to store an archive.
type ImportOptions struct {
	Store   Store
	Chunker *chunking.Chunker
	Started time.Time // what directories that the archive lacks have as their time

	// Warn is told of an entry that was not stored, or not as it was.
	Warn func(path string, err error)
}

// ImportResult is what was stored.
type ImportResult struct {
	Root                *tree.Node
	Files, Dirs, Others uint64
	Bytes               uint64 // sizes of the files
	BytesRead           uint64 // of content, holes as zeros
	BytesAdded          uint64 // raw bytes of blobs that were new
	Warnings            uint64
}

// Errors of Import, and of what it warns of.
var (
	ErrEmptyArchive = errors.New("the archive is empty")
	ErrPath         = errors.New("its path leads out of the tree, or cannot be stored")
	ErrDoubled      = errors.New("is in the archive twice; the later one counts")
	ErrInTheWay     = errors.New("what came before is in its way; it is left out")
	ErrNoTarget     = errors.New("hard link to what the archive does not have before it; it is left out")
	ErrEntryType    = errors.New("type that is not known; it is left out")
)

// importer is a running import.
type importer struct {
	ctx     context.Context
	o       *ImportOptions
	root    *inode
	content *tree.ContentBuilder
	buffer  []byte // for chunks
	made    []byte // the node of a directory that the archive lacks
	last    uint64 // number of an inode
	result  ImportResult
}

// Import stores a tar archive as a tree: pax, GNU, or ustar, whatever the order
// of its entries. Its errors are those of the store and of the archive: half of
// one is no backup. Memory grows with the number of entries.
func Import(ctx context.Context, archive io.Reader, o ImportOptions) (*ImportResult, error) {
	m := &importer{ctx: ctx, o: &o, buffer: make([]byte, 2*o.Chunker.Params().Max)}
	m.content = tree.NewContentBuilder(m)
	accounts := source.SystemAccounts()
	uid, gid, now := uint32(os.Geteuid()), uint32(os.Getegid()), tree.TimeOf(o.Started)
	m.made = tree.AppendNode(nil, &tree.Node{Type: tree.Directory, Mode: 0o755, UID: uid, GID: gid, Links: 1,
		User: accounts.User(uid), Group: accounts.Group(gid), ModTime: now, ChangeTime: now})
	m.root = m.directory()
	r := tar.NewReader(archive)
	entries := 0
	for ; ; entries++ {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the archive: %w", err)
		}
		if err := m.entry(h, r); err != nil {
			return nil, err
		}
	}
	if entries == 0 {
		return nil, ErrEmptyArchive
	}
	root, err := m.build("", m.root)
	if err != nil {
		return nil, err
	}
	m.result.Root = root
	return &m.result, nil
}

func (m *importer) warn(path string, err error) {
	m.result.Warnings++
	if m.o.Warn != nil {
		m.o.Warn(path, err)
	}
}

// PutTree stores a page, for the builders.
func (m *importer) PutTree(ctx context.Context, page []byte) (index.ID, error) {
	id := m.o.Store.ID(index.Tree, page)
	added, err := m.o.Store.Put(m.ctx, index.Tree, id, page)
	m.stored(added, page)
	return id, err
}

// putData stores a piece of a file of so many bytes.
func (m *importer) putData(size uint64, data []byte) (index.ID, error) {
	id := m.o.Store.ID(index.Data, data)
	var added bool
	var err error
	if size >= tree.LargeFile {
		added, err = m.o.Store.PutPart(m.ctx, id, data)
	} else {
		added, err = m.o.Store.Put(m.ctx, index.Data, id, data)
	}
	m.stored(added, data)
	return id, err
}

// stored counts a blob that has been put.
func (m *importer) stored(added bool, data []byte) {
	if added {
		m.result.BytesAdded += uint64(len(data))
	}
}

// entry stores one entry. Its error ends the import.
func (m *importer) entry(h *tar.Header, r io.Reader) error {
	if err := m.ctx.Err(); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		for key := range h.PAXRecords {
			if key != "comment" { // as git archive has it
				m.warn(h.Name, fmt.Errorf("record %.64q for all entries: %w", key, ErrEntryType))
			}
		}
		return nil
	}
	names, ok := splitPath(h.Name)
	if !ok {
		m.warn(h.Name, ErrPath)
		return nil
	}
	if h.Typeflag == tar.TypeLink {
		m.hardLink(h, names)
		return nil
	}
	n, err := nodeOf(h)
	if err != nil {
		m.warn(h.Name, err)
	}
	if n == nil {
		return nil
	}
	if n.Type == tree.Regular {
		if err := m.file(n, h, r); err != nil {
			return err
		}
	}
	if err := n.Validate(); err != nil {
		m.warn(h.Name, err)
		return nil
	}
	m.place(h.Name, names, n)
	return nil
}

// splitPath takes a path apart; ok is false when it has no place in a tree.
func splitPath(path string) (names []string, ok bool) {
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." {
			continue
		}
		if !tree.ValidName(name) || len(names) == tree.MaxDepth {
			return nil, false
		}
		names = append(names, name)
	}
	return names, true
}
