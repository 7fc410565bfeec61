package source

import (
	"bytes"
	"os"
	"strconv"
)

// Accounts are the names of users and groups by number. It is safe for
// concurrent use; nil knows no names.
type Accounts struct {
	users, groups map[uint32]string // never changed
	getent        *getent           // asked for the others, or nil
}

// LoadAccounts reads files in the format of passwd(5) and group(5). A file that
// cannot be read gives no names: the numbers are kept in any case.
func LoadAccounts(passwd, group string) *Accounts {
	return &Accounts{users: readIDs(passwd), groups: readIDs(group)}
}

// SystemAccounts reads /etc/passwd and /etc/group and asks getent(1) for
// numbers that are not there: a static binary does not see LDAP or sssd.
func SystemAccounts() *Accounts {
	a := LoadAccounts("/etc/passwd", "/etc/group")
	a.getent = newGetent("getent", getentPatience)
	return a
}

// User returns the name of a user, empty when it has none.
func (a *Accounts) User(uid uint32) string {
	if a == nil {
		return ""
	}
	if name, ok := a.users[uid]; ok {
		return name
	}
	return a.getent.name("passwd", uid)
}

// Group returns the name of a group, empty when it has none.
func (a *Accounts) Group(gid uint32) string {
	if a == nil {
		return ""
	}
	if name, ok := a.groups[gid]; ok {
		return name
	}
	return a.getent.name("group", gid)
}

// Problem returns why names may be missing that there are: ErrNoAnswer, or nil.
func (a *Accounts) Problem() error {
	if a == nil {
		return nil
	}
	return a.getent.problem()
}

// readIDs reads lines "name:password:number:…"; the first of several names of
// a number counts, as for getpwuid(3).
func readIDs(file string) map[uint32]string {
	ids := map[uint32]string{}
	data, err := os.ReadFile(file)
	if err != nil {
		return ids
	}
	for line := range bytes.Lines(data) {
		name, id, ok := parseID(line)
		if !ok {
			continue
		}
		if _, dup := ids[id]; !dup {
			ids[id] = name
		}
	}
	return ids
}

// parseID takes a line of passwd(5) or group(5) apart.
func parseID(line []byte) (name string, id uint32, ok bool) {
	field := bytes.SplitN(bytes.TrimRight(line, "\r\n"), []byte{':'}, 4)
	if len(field) < 3 || len(field[0]) == 0 || field[0][0] == '#' || field[0][0] == '+' || field[0][0] == '-' {
		return "", 0, false
	}
	n, err := strconv.ParseUint(string(field[2]), 10, 32)
	if err != nil {
		return "", 0, false
	}
	return string(field[0]), uint32(n), true
}
