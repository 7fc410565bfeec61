package snapshot

import (
	"garret/fs/tree"
)

// statusOf returns the status of what is neither a file nor a directory. Of
// symbolic links BorgBackup does not say that they have more names.
func (a *assembler) statusOf(e *entry) Status {
	if e.node.Links > 1 && e.node.Type != tree.Symlink {
		key := linkKey{e.stat.Dev, e.stat.Ino}
		if a.names[key] {
			return Link
		}
		a.names[key] = true
	}
	return statusOf(e.node.Type)
}

func (a *assembler) entryPath(e *entry) string { return string(a.path) + e.node.Name }

// warn reports about a path in the snapshot.
func (a *assembler) warn(path string, err error, notice bool) {
	if !notice {
		a.warnings++
		a.stats.Reasons[reasonOf(err)]++
	}
	if a.o.Warn != nil {
		a.o.Warn(Warning{Path: hostPath(a.base, path), Err: err, Notice: notice})
	}
}

func (a *assembler) problem(e *entry) {
	if e.problem != nil {
		a.warn(a.entryPath(e), e.problem, e.notice)
	}
}

func (a *assembler) item(e *entry, s Status) {
	if a.o.Item != nil {
		a.o.Item(Item{Path: a.entryPath(e), Status: s, Node: &e.node})
	}
}

func (a *assembler) itemOf(i Item) {
	if a.o.Item != nil {
		a.o.Item(i)
	}
}
