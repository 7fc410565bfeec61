package source

import (
	"bytes"
	"os"
	"strconv"
)

// Accounts are the names of users and groups by number. It never changes, so it
// is safe for concurrent use; nil knows no names.
type Accounts struct {
	users, groups map[uint32]string
}

// LoadAccounts reads files in the format of passwd(5) and group(5). A file that
// cannot be read gives no names: the numbers are kept in any case.
func LoadAccounts(passwd, group string) *Accounts {
	return &Accounts{users: readIDs(passwd), groups: readIDs(group)}
}

// SystemAccounts reads /etc/passwd and /etc/group.
func SystemAccounts() *Accounts { return LoadAccounts("/etc/passwd", "/etc/group") }

// User returns the name of a user, empty when it has none.
func (a *Accounts) User(uid uint32) string {
	if a == nil {
		return ""
	}
	return a.users[uid]
}

// Group returns the name of a group, empty when it has none.
func (a *Accounts) Group(gid uint32) string {
	if a == nil {
		return ""
	}
	return a.groups[gid]
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
		field := bytes.SplitN(bytes.TrimRight(line, "\r\n"), []byte{':'}, 4)
		if len(field) < 3 || len(field[0]) == 0 || field[0][0] == '#' || field[0][0] == '+' || field[0][0] == '-' {
			continue
		}
		id, err := strconv.ParseUint(string(field[2]), 10, 32)
		if err != nil {
			continue
		}
		if _, dup := ids[uint32(id)]; !dup {
			ids[uint32(id)] = string(field[0])
		}
	}
	return ids
}
