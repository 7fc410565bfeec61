package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"garret/fs/mount"
	"garret/fs/tree"
	"garret/index"
)

type mountCmd struct {
	Args       []string      `arg:"" name:"[SNAPSHOT[:PATH]] DIR" help:"Where to mount; and what, if not all snapshots."`
	Versions   bool          `help:"Show all snapshots as one tree, in which every file is a directory of its versions."`
	Foreground bool          `short:"f" help:"Stay in the foreground; end with ctrl-c."`
	AllowOther bool          `help:"Let other users in; the kernel then enforces the stored permissions and ACLs."`
	Owner      string        `enum:"stored,me" default:"stored" help:"Whose everything is shown as: the stored owners (stored), or whoever mounts (me)."`
	UID        *uint32       `name:"uid" placeholder:"N" help:"Show everything as this user's."`
	GID        *uint32       `name:"gid" placeholder:"N" help:"Show everything as this group's."`
	Umask      string        `placeholder:"OCTAL" help:"Show all permissions but these, instead of those that are stored; ACLs are left out then."`
	NoExec     bool          `name:"noexec" help:"Do not let programs in the mount be executed."`
	CacheSize  int64         `default:"128" placeholder:"MIB" help:"Memory for decoded data, MiB."`
	Log        string        `placeholder:"FILE" help:"Where the background process reports damage it meets; default: the system log."`
	ReadyFD    int           `hidden:"" name:"ready-fd" help:"Write one byte to this descriptor when mounted."`
	Renew      time.Duration `hidden:"" default:"30m" help:"How often the mount moves to a new session."`
}

func (c *mountCmd) Run(ctx context.Context, a *app) error {
	if len(c.Args) > 2 {
		return errors.New("mount takes [SNAPSHOT[:PATH]] DIR")
	}
	if c.Versions && len(c.Args) == 2 {
		return errors.New("--versions shows all snapshots; leave out SNAPSHOT")
	}
	if c.CacheSize < 1 {
		return errors.New("--cache-size must be at least 1 MiB")
	}
	var machine unix.Sysinfo_t
	if err := unix.Sysinfo(&machine); err == nil {
		if has := uint64(machine.Totalram) * uint64(machine.Unit) >> 20; uint64(c.CacheSize) > has {
			return fmt.Errorf("--cache-size: this machine has %d MiB", has)
		}
	}
	if c.Renew <= 0 {
		return errors.New("--renew must be more than nothing")
	}
	if _, err := c.options(); err != nil {
		return err
	}
	if !c.Foreground && c.ReadyFD == 0 {
		return c.background(ctx, a)
	}
	return c.serve(ctx, a)
}

// options returns what the flags say about how everything is shown.
func (c *mountCmd) options() (mount.Options, error) {
	o := mount.Options{Versions: c.Versions, AllowOther: c.AllowOther, NoExec: c.NoExec, UID: c.UID, GID: c.GID}
	if c.Owner == "me" {
		if c.UID != nil || c.GID != nil {
			return o, errors.New("--owner me is --uid and --gid of whoever mounts; give one or the other")
		}
		uid, gid := uint32(os.Getuid()), uint32(os.Getgid())
		o.UID, o.GID = &uid, &gid
	}
	if c.Umask != "" {
		n, err := strconv.ParseUint(c.Umask, 8, 32)
		if err != nil || n > 0o777 {
			return o, fmt.Errorf("--umask %q: not an octal number from 0 to 777", c.Umask)
		}
		umask := uint32(n)
		o.Umask = &umask
	}
	return o, nil
}

// ballastSize is memory that nobody ever touches, so that it is none, bytes. But
// the garbage collector counts it: it waits until the heap has doubled, and so lets
// the rest grow by as much more. Without it a mount, whose heap is small, collects
// after every few megabytes of listings, and takes a tenth more of the processor's
// time. It counts towards the heap's limit, too: what the rest of a large heap may
// take is that much less.
const ballastSize = 12 << 20

func (c *mountCmd) serve(ctx context.Context, a *app) (err error) {
	ballast := make([]byte, ballastSize) // before anything that was used might be used again, and cleared
	defer runtime.KeepAlive(ballast)
	a.graceful() // a signal unmounts; open files are served to their end by the kernel's lazy unmount
	log, closeLog, err := c.logger(a)
	if err != nil {
		return err
	}
	defer closeLog()
	o, err := a.openReader(ctx, c.CacheSize<<20)
	if err != nil {
		return err
	}
	stopRenewing := func() {}
	defer func() {
		err = firstError(err, unlessInsisted(ctx, func() error {
			stopRenewing()
			return o.close(ctx)
		}))
	}()
	o.reader.OnHeal(func(pack index.PackID, damage error) {
		log.Warn("a damaged pack was healed by its parity, for this mount only; `garret repair` heals it for good", "pack", pack, "err", damage)
	})

	defer o.records.Close()
	server, err := c.mount(ctx, a, o, log)
	if err != nil {
		return err
	}
	stopRenewing = renewing(ctx, o.reader, c.Renew, log)
	if c.ReadyFD != 0 {
		if err := detach(c.ReadyFD); err != nil {
			return firstError(err, server.Unmount())
		}
	} else {
		fmt.Fprintf(a.stderr, "garret: mounted on %s; end with ctrl-c or `garret umount %s`\n", server.Dir(), server.Dir())
		if err := notifyReady(); err != nil {
			log.Warn("the service manager cannot be told that the mount is ready", "err", err)
		}
	}
	return c.wait(ctx, a, server, log)
}

// insistence is how long a command that has been told twice to end waits for
// storage that does not answer.
const insistence = time.Second

// unlessInsisted returns what end returns, which may wait for storage. When the
// context has ended, which a second signal does, it waits a moment only: the
// process ends next, and with it what has not.
func unlessInsisted(ctx context.Context, end func() error) error {
	if ctx.Err() != nil {
		return nil // requests may still be served, which what is open must not be closed under
	}
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(insistence):
		return errors.New("storage does not answer; what was open there is left as it is")
	}
}

// wait returns when the mount has ended, by a signal or from outside.
func (c *mountCmd) wait(ctx context.Context, a *app, server *mount.Server, log *slog.Logger) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-a.interrupted:
	}
	if err := server.Unmount(); errors.Is(err, mount.ErrBusy) {
		log.Warn("unmounting a mount that is in use", "reason", err)
		if err := mount.Unmount(server.Dir(), true); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	// Whoever has a file open is served until he closes it: the index must not be
	// unmapped under him. A second signal does not wait for that.
	select {
	case <-done:
	case <-ctx.Done():
	}
	return nil
}

func (c *mountCmd) mount(ctx context.Context, a *app, o *opened, log *slog.Logger) (*mount.Server, error) {
	dir := c.Args[len(c.Args)-1]
	if err := a.apart(dir); err != nil {
		return nil, err
	}
	options, err := c.options()
	if err != nil {
		return nil, err
	}
	options.FSName = o.Backend().Location() // as in fstab, so that mount(8) finds it there
	options.StoredBytes = o.reader.Stored
	options.Reachable = o.Present
	options.Log = log
	if len(c.Args) == 1 {
		return mount.Mount(dir, &archive{o}, options)
	}
	spec, path := splitTarget(c.Args[0])
	snap, err := a.find(ctx, o.records, spec)
	if err != nil {
		return nil, err
	}
	t, from, path, err := resolveIn(ctx, o, snap, path)
	if err != nil {
		return nil, err
	}
	if from.Type != tree.Directory {
		return nil, fmt.Errorf("%q is a %s; only a directory can be mounted", path, typeName(from.Type))
	}
	options.XattrFamilies = snap.XattrFamilies
	options.TreeName = c.Args[0]
	return mount.MountTree(dir, t, from, options)
}

// logger writes to standard error in the foreground, to the log file or the
// system's log in the background.
func (c *mountCmd) logger(a *app) (*slog.Logger, func() error, error) {
	if c.Log != "" {
		f, err := os.OpenFile(c.Log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return nil, nil, fmt.Errorf("log: %w", err)
		}
		return slog.New(slog.NewTextHandler(f, nil)), f.Close, nil
	}
	var w io.Writer = a.stderr
	if c.ReadyFD != 0 {
		w = systemLog()
	}
	return slog.New(slog.NewTextHandler(w, nil)), func() error { return nil }, nil
}
