package mount

import (
	"context"
	"log/slog"
	"time"

	"garret/fs/tree"
	"garret/fs/view"
)

// Archive is what Mount shows.
type Archive interface {
	// Snapshots returns all snapshots there are, in any order. It is called
	// again and again, at most once per Options.Interval, to see new ones.
	Snapshots(ctx context.Context) ([]Snapshot, error)

	// Open returns a snapshot's tree. It is called when somebody first looks
	// at the snapshot, and again when its tree has been out of use while
	// many others were looked at.
	Open(ctx context.Context, id string) (*view.Tree, error)
}

// Snapshot describes one snapshot of an archive.
type Snapshot struct {
	ID          string // 32 hexadecimal digits
	Time        time.Time
	Host, Label string
	Partial     bool // a checkpoint of a run that has not ended; never "latest"
	Unverified  bool // its writer was given up on; never "latest"

	// XattrFamilies says which extended attributes occur in the tree; see
	// Options.XattrFamilies.
	XattrFamilies []string

	// Root is the node of the tree's root, if the list knows it: then ls can
	// show the owner and the permissions of the snapshots' directories, and
	// their colours, without opening every one. It may be nil.
	Root *tree.Node
}

// Options are the settings of a mount. The zero value is good.
type Options struct {
	// Interval is how old the list of snapshots may be when somebody looks
	// at it; 2 s if zero.
	Interval time.Duration

	// Versions shows all snapshots as one tree instead: each directory holds
	// what it holds in any of them, and whatever is no directory is one of its
	// distinct versions. Only for Mount.
	Versions bool

	// UID and GID, if not nil, are shown as the owner and the group of
	// everything, in the place of those that are stored.
	UID, GID *uint32

	// Umask, if not nil, sets all permissions: those that it does not take
	// away, as usual; files can be executed if somebody could execute them.
	// ACLs, which would contradict it, are neither shown nor enforced then.
	Umask *uint32

	// NoExec forbids to execute programs in the mount.
	NoExec bool

	// AllowOther lets other users in. The kernel then enforces the stored
	// permissions and ACLs; without it, only the user who mounts gets in,
	// and reads everything.
	AllowOther bool

	// FSName is the mount's source, the first column of df and
	// /proc/mounts; "garret" if empty.
	FSName string

	// TreeName is what the log calls the tree of MountTree; FSName if empty.
	TreeName string

	// XattrFamilies says, for MountTree, which extended attributes occur in
	// the tree: full names ("security.capability") or what stands before a
	// dot ("user", "security"). Nil means that it is not known, empty and not
	// nil that there are none. Requests for attributes that occur nowhere in
	// the mount are answered EOPNOTSUPP, after which ls stops asking for them
	// at every file; where there are none at all, the kernel stops asking.
	XattrFamilies []string

	// Reachable says, when something could not be read, whether the archive
	// is there at all; if not, that is logged once, and not what could not be
	// read meanwhile. Nil means that it always is.
	Reachable func(ctx context.Context) error

	// StoredBytes returns the size that df shows, if not nil. It is called
	// often and must not wait for anything.
	StoredBytes func() uint64

	// Log receives a line for every piece of lost data that a reader meets,
	// and when the archive cannot be listed; slog.Default() if nil.
	Log *slog.Logger

	viaFusermount bool // tests: also when root could mount directly
}

func (o Options) withDefaults() Options {
	if o.Interval <= 0 {
		o.Interval = 2 * time.Second
	}
	if o.FSName == "" {
		o.FSName = "garret"
	}
	if o.TreeName == "" {
		o.TreeName = o.FSName
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.StoredBytes == nil {
		o.StoredBytes = func() uint64 { return 0 }
	}
	return o
}
