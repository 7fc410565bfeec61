package main

import (
	"context"
	"fmt"
	"strconv"

	"garret/cmd/garret/internal/term"
	"garret/fs/tree"
	"garret/fs/view"
)

type lsCmd struct {
	Target    string `arg:"" name:"SNAPSHOT[:PATH]" help:"latest, latest~1, latest@HOST, a label, or an id; and what to list in it."`
	Long      bool   `short:"l" help:"Show mode, owner, size and time."`
	Recursive bool   `short:"R" help:"List what is below, too."`
	JSON      bool   `name:"json" help:"Print one JSON object a line."`
}

// nodeJSON is an entry of a tree for programs.
type nodeJSON struct {
	term.Path
	Type   string     `json:"type"`
	Mode   string     `json:"mode"` // octal
	UID    uint32     `json:"uid"`
	GID    uint32     `json:"gid"`
	User   string     `json:"user,omitempty"`
	Group  string     `json:"group,omitempty"`
	Size   uint64     `json:"size"`
	MTime  string     `json:"mtime"`
	CTime  string     `json:"ctime"`
	Inode  uint64     `json:"inode"`
	Links  uint64     `json:"links"`
	Target *term.Path `json:"target,omitempty"`
}

const timeFormat = "2006-01-02T15:04:05.999999999Z07:00"

func newNodeJSON(path string, n *tree.Node) nodeJSON {
	j := nodeJSON{
		Path: term.JSONPath(path), Type: typeName(n.Type), Mode: fmt.Sprintf("%04o", n.Mode),
		UID: n.UID, GID: n.GID, User: n.User, Group: n.Group, Size: n.Size,
		MTime: n.ModTime.Time().UTC().Format(timeFormat), CTime: n.ChangeTime.Time().UTC().Format(timeFormat),
		Inode: n.Inode, Links: n.Links,
	}
	if n.Type == tree.Symlink {
		target := term.JSONPath(n.Target)
		j.Target = &target
	}
	return j
}

func typeName(t tree.Type) string {
	switch t {
	case tree.Regular:
		return "file"
	case tree.Directory:
		return "directory"
	case tree.Symlink:
		return "symlink"
	case tree.BlockDevice:
		return "block device"
	case tree.CharDevice:
		return "character device"
	case tree.FIFO:
		return "fifo"
	}
	return "unknown"
}

// modeString shows type and permissions as ls(1) does.
func modeString(n *tree.Node) string {
	kind := byte('?')
	switch n.Type {
	case tree.Regular:
		kind = '-'
	case tree.Directory:
		kind = 'd'
	case tree.Symlink:
		kind = 'l'
	case tree.BlockDevice:
		kind = 'b'
	case tree.CharDevice:
		kind = 'c'
	case tree.FIFO:
		kind = 'p'
	}
	s := []byte{kind}
	for i := 8; i >= 0; i-- {
		bit := byte('-')
		if n.Mode>>i&1 != 0 {
			bit = "xwr"[i%3]
		}
		s = append(s, bit)
	}
	// Set-uid, set-gid and sticky stand in the place of the three x.
	for i, special := range []byte("sst") {
		at := 3 * (i + 1)
		switch {
		case n.Mode&(0o4000>>i) == 0:
		case s[at] == 'x':
			s[at] = special
		default:
			s[at] = special - 'a' + 'A'
		}
	}
	return string(s)
}

func (c *lsCmd) Run(ctx context.Context, a *app) (err error) {
	o, err := a.openReader(ctx, readCache)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, o.close(ctx)) }()
	t, from, _, err := a.resolve(ctx, o, c.Target)
	if err != nil {
		return err
	}
	path, err := t.Path(ctx, from)
	if err != nil {
		return err
	}
	out := newListing(a.stdout)
	show := func(path string, e view.Entry) error {
		switch {
		case c.JSON:
			return printJSON(out, newNodeJSON(path, e.Node))
		case c.Long:
			owner, group := ownerNames(e.Node)
			_, err := fmt.Fprintf(out, "%s %-8s %-8s %12d %s %s%s\n", modeString(e.Node), owner, group, e.Size,
				e.ModTime.Time().Local().Format("2006-01-02 15:04:05"), term.Name(path), linkSuffix(e.Node))
			return err
		default:
			_, err := fmt.Fprintln(out, term.Name(path))
			return err
		}
	}
	switch {
	case from.Type != tree.Directory:
		err = show(path, from)
	case c.Recursive:
		err = t.Walk(ctx, from, func(p string, e view.Entry) error {
			if p == "" {
				return nil
			}
			return show(joinPath(path, p), e)
		})
	default:
		err = listOne(ctx, t, from, path, show)
	}
	return firstError(err, out.Flush())
}

// listOne shows the entries of one directory.
func listOne(ctx context.Context, t *view.Tree, dir view.Entry, path string, show func(string, view.Entry) error) error {
	var failed error
	err := t.List(ctx, dir, 0, func(_ uint64, e view.Entry) bool {
		failed = show(joinPath(path, e.Name), e)
		return failed == nil
	})
	return firstError(failed, err)
}

func joinPath(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

func ownerNames(n *tree.Node) (user, group string) {
	user, group = n.User, n.Group
	if user == "" {
		user = strconv.FormatUint(uint64(n.UID), 10)
	}
	if group == "" {
		group = strconv.FormatUint(uint64(n.GID), 10)
	}
	return term.Name(user), term.Name(group)
}

func linkSuffix(n *tree.Node) string {
	if n.Type != tree.Symlink {
		return ""
	}
	return " -> " + term.Name(n.Target)
}
