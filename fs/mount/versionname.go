package mount

import (
	"context"
	"strings"
)

// maxExtension is the longest file name extension that a version keeps, bytes.
const maxExtension = 32

// nameVersions names a path's versions: by the time of the oldest snapshot that
// has each, and with the extension of the file, so that programs know what it
// is. What would have a name twice also gets the snapshot's short ID.
func (e *edition) nameVersions(ctx context.Context, m *merged, name string) {
	ext := extension(name)
	used := make(map[string]bool, len(m.versions))
	taken := func(name string) bool {
		if used[name] || len(m.sources) == 0 {
			return used[name]
		}
		// The path is a directory in other snapshots, whose children keep
		// their names.
		all, status := e.find(ctx, m, name)
		return len(all) > 0 || !status.Ok()
	}
	for i := range m.versions {
		v := &m.versions[i]
		s := e.snapshots[v.rank]
		for _, suffix := range []string{"", "_" + s.shortID, "_" + s.ID, "_" + s.ID + "_version"} {
			v.name = s.Time.UTC().Format(timeLayout) + suffix + ext
			if !taken(v.name) {
				break
			}
		}
		used[v.name] = true
	}
}

// extension returns the part of a file name from its last dot on, and a ".tar"
// before it; nothing for names that only begin with a dot.
func extension(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i <= 0 || i == len(name)-1 || len(name)-i > maxExtension {
		return ""
	}
	if stem := name[:i]; strings.HasSuffix(stem, ".tar") && len(stem) > len(".tar") {
		i -= len(".tar")
	}
	return name[i:]
}

// findVersion returns the version with a name.
func (m *merged) findVersion(name string) *version {
	for i := range m.versions {
		if m.versions[i].name == name {
			return &m.versions[i]
		}
	}
	return nil
}
