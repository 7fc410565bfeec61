package mount

import "strings"

// families says which extended attributes occur somewhere in the mount.
type families struct {
	known bool
	names map[string]struct{} // full names, or what stands before a dot
}

func newFamilies(names []string) families {
	f := families{known: names != nil, names: make(map[string]struct{}, len(names))}
	for _, n := range names {
		f.names[n] = struct{}{}
	}
	return f
}

// unionOf returns the families of all snapshots; they are known only if those
// of every snapshot are.
func unionOf(snapshots []*listed) families {
	union := families{known: true, names: map[string]struct{}{}}
	for _, s := range snapshots {
		union.known = union.known && s.XattrFamilies != nil
		for _, n := range s.XattrFamilies {
			union.names[n] = struct{}{}
		}
	}
	return union
}

// none reports whether no attribute occurs at all.
func (f families) none() bool { return f.known && len(f.names) == 0 }

// mayHold reports whether the attribute may occur.
func (f families) mayHold(attribute string) bool {
	if !f.known {
		return true
	}
	for i := len(attribute); i > 0; i = strings.LastIndexByte(attribute[:i], '.') {
		if _, ok := f.names[attribute[:i]]; ok {
			return true
		}
	}
	return false
}

// mayHoldACL reports whether POSIX ACLs may occur.
func (f families) mayHoldACL() bool {
	return f.mayHold(aclAccess) || f.mayHold(aclDefault)
}
