package restore

import (
	"os/user"
	"strconv"
	"sync"

	"garret/fs/tree"
)

// Accounts finds the numbers of users and groups by their names.
type Accounts interface {
	User(name string) (uid uint32, ok bool)
	Group(name string) (gid uint32, ok bool)
}

// systemAccounts are those of this machine.
type systemAccounts struct{}

func (systemAccounts) User(name string) (uint32, bool) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, false
	}
	return parseID(u.Uid)
}

func (systemAccounts) Group(name string) (uint32, bool) {
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

// accountIDs remembers what Accounts said. It is safe for concurrent use.
type accountIDs struct {
	accounts      Accounts
	numeric       bool
	users, groups sync.Map // name → found
}

type found struct {
	id uint32
	ok bool
}

// of returns the user and group that n gets: by name, else by number.
func (a *accountIDs) of(n *tree.Node) (uid, gid uint32) {
	uid, gid = n.UID, n.GID
	if a.numeric {
		return uid, gid
	}
	if f := lookup(&a.users, n.User, a.accounts.User); f.ok {
		uid = f.id
	}
	if f := lookup(&a.groups, n.Group, a.accounts.Group); f.ok {
		gid = f.id
	}
	return uid, gid
}

func lookup(known *sync.Map, name string, ask func(string) (uint32, bool)) found {
	if name == "" {
		return found{}
	}
	if f, ok := known.Load(name); ok {
		return f.(found)
	}
	id, ok := ask(name)
	known.Store(name, found{id, ok})
	return found{id, ok}
}
