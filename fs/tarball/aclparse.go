package tarball

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// ErrACL is wrapped when an ACL's text cannot be understood.
var ErrACL = errors.New("its ACL cannot be understood; it is left out")

type aclEntry struct {
	tag, permissions uint16
	id               uint32
}

// parseACL makes an ACL's text (acl(5), long or short, lines or commas, with
// star's number as a fourth field) what its attribute holds.
func parseACL(text string) ([]byte, error) {
	var entries []aclEntry
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == ',' }) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		e, err := parseACLEntry(strings.TrimPrefix(line, "default:"))
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b aclEntry) int { return cmp.Or(cmp.Compare(a.tag, b.tag), cmp.Compare(a.id, b.id)) })
	value := binary.LittleEndian.AppendUint32(nil, aclVersion)
	for _, e := range entries {
		value = binary.LittleEndian.AppendUint16(value, e.tag)
		value = binary.LittleEndian.AppendUint16(value, e.permissions)
		value = binary.LittleEndian.AppendUint32(value, e.id)
	}
	return value, nil
}

func parseACLEntry(line string) (e aclEntry, err error) {
	fields := strings.Split(line, ":")
	// mask:rwx, other:rwx
	if len(fields) == 2 && (fields[0] == "mask" || fields[0] == "m" || fields[0] == "other" || fields[0] == "o") {
		fields = []string{fields[0], "", fields[1]}
	}
	if len(fields) < 3 {
		return e, fmt.Errorf("%.64q: %w", line, ErrACL)
	}
	e.id = aclNoID
	named := fields[1] != ""
	switch fields[0] {
	case "user", "u":
		e.tag = aclOwner
		if named {
			e.tag = aclUser
		}
	case "group", "g":
		e.tag = aclOwningGroup
		if named {
			e.tag = aclGroup
		}
	case "mask", "m":
		e.tag = aclMask
	case "other", "o":
		e.tag = aclOther
	}
	if e.tag == 0 || named && (e.tag == aclMask || e.tag == aclOther) {
		return e, fmt.Errorf("%.64q: %w", line, ErrACL)
	}
	for _, c := range strings.TrimSpace(fields[2]) {
		i := strings.IndexRune("xwr", c)
		if i < 0 && c != '-' {
			return e, fmt.Errorf("%.64q: %w", line, ErrACL)
		}
		if i >= 0 {
			e.permissions |= 1 << i
		}
	}
	if !named {
		return e, nil
	}
	id, ok := accountID(e.tag, fields[1])
	if !ok && len(fields) > 3 {
		id, ok = parseID(fields[3])
	}
	if !ok {
		return e, fmt.Errorf("%.64q: nobody of that name: %w", line, ErrACL)
	}
	e.id = id
	return e, nil
}

// accountID returns the number of a user or group of this machine.
func accountID(tag uint16, name string) (uint32, bool) {
	if id, ok := parseID(name); ok {
		return id, true
	}
	if tag == aclUser {
		u, err := user.Lookup(name)
		if err != nil {
			return 0, false
		}
		return parseID(u.Uid)
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, false
	}
	return parseID(g.Gid)
}

func parseID(s string) (uint32, bool) {
	id, err := strconv.ParseUint(s, 10, 32)
	return uint32(id), err == nil
}
