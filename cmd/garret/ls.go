package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"garret/cmd/garret/internal/term"
	"garret/fs/pattern"
	"garret/fs/tree"
	"garret/fs/view"
)

type lsCmd struct {
	Target    string `arg:"" name:"SNAPSHOT[:PATH]" help:"latest, latest~1, latest@HOST, a label, or an id; and what to list in it."`
	Long      bool   `short:"l" help:"Show mode, owner, size and time."`
	Recursive bool   `short:"R" help:"List what is below, too."`
	JSON      bool   `name:"json" help:"Print one JSON object a line."`
	patternFlags
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
	Device string     `json:"device,omitempty"` // of a device, major:minor
	Flags  uint32     `json:"flags,omitempty"`  // of the inode, as FS_IOC_GETFLAGS has them
}

const (
	timeFormat = "2006-01-02T15:04:05.999999999Z07:00"
	listTime   = "2006-01-02 15:04:05" // local, for people
)

func newNodeJSON(path string, n *tree.Node) nodeJSON {
	j := nodeJSON{
		Path: term.JSONPath(path), Type: typeName(n.Type), Mode: fmt.Sprintf("%04o", n.Mode),
		UID: n.UID, GID: n.GID, User: n.User, Group: n.Group, Size: n.Size,
		MTime: n.ModTime.Time().UTC().Format(timeFormat), CTime: n.ChangeTime.Time().UTC().Format(timeFormat),
		Inode: n.Inode, Links: n.Links, Flags: n.Flags,
	}
	if n.Type == tree.Symlink {
		target := term.JSONPath(n.Target)
		j.Target = &target
	}
	if n.Type == tree.BlockDevice || n.Type == tree.CharDevice {
		j.Device = deviceName(n.Rdev)
	}
	return j
}

func deviceName(rdev uint64) string { return fmt.Sprintf("%d:%d", unix.Major(rdev), unix.Minor(rdev)) }

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
	patterns, err := c.selection(nil)
	if err != nil {
		return err
	}
	o, err := a.openReader(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, o.close(ctx)) }()
	until, why := o.untilRefused(ctx)
	defer func() { err = why(err) }()
	t, from, _, err := a.resolve(until, o, c.Target)
	if err != nil {
		return err
	}
	path, err := t.Path(until, from)
	if err != nil {
		return err
	}
	out := newListing(a.stdout)
	show := func(path string, n *tree.Node) error {
		switch {
		case c.JSON:
			return printJSON(out, newNodeJSON(path, n))
		case c.Long:
			return printLong(out, path, n)
		}
		_, err := fmt.Fprintln(out, term.Name(path))
		return err
	}
	switch {
	case from.Type != tree.Directory || c.Recursive:
		err = a.walkSelected(until, t, from, path, patterns, func(p string, e view.Entry) error {
			if p == path && e.Type == tree.Directory {
				return nil // what is in it is asked for
			}
			return show(p, e.Node)
		})
	default:
		err = listOne(until, t, from, path, func(p string, e view.Entry) error {
			if patterns.Verdict(p) != pattern.Include {
				return nil
			}
			return show(p, e.Node)
		})
	}
	if err = firstError(err, out.Flush()); err != nil {
		return err
	}
	if !c.Recursive {
		return nil // roots of patterns may be further below
	}
	return a.warnUnmatched(patterns)
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

// walkSelected visits an entry and what is below it, with paths from the root,
// but for what patterns leave out. What is lost is reported and left out; in the end
// the error is errDamaged then.
func (a *app) walkSelected(ctx context.Context, t *view.Tree, from view.Entry, path string, patterns *pattern.List, visit func(string, view.Entry) error) error {
	var damaged error
	err := t.WalkPast(ctx, from, func(p string, e view.Entry) error {
		full := path
		if p != "" {
			full = joinPath(path, p)
		}
		switch patterns.Verdict(full) {
		case pattern.Include:
			return visit(full, e)
		case pattern.Prune:
			if e.Type == tree.Directory {
				return fs.SkipDir
			}
		}
		return nil
	}, func(p string, e view.Entry, children uint64, err error) error {
		damaged = errDamaged
		if p = strings.Trim(path+"/"+p, "/"); p == "" {
			p = "/"
		}
		fmt.Fprintf(a.stderr, "garret: warning: %s: %d of %d entries cannot be listed: %v\n",
			term.Name(p), children, e.Dir.Entries, err)
		return nil
	})
	return firstError(err, damaged)
}

// printLong prints an entry as ls -l does.
func printLong(out io.Writer, path string, n *tree.Node) error {
	owner, group := ownerNames(n)
	_, err := fmt.Fprintf(out, "%s %-8s %-8s %12d %s %s%s\n", modeString(n), owner, group, n.Size,
		n.ModTime.Time().Local().Format(listTime), term.Name(path), linkSuffix(n))
	return err
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
