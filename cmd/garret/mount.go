package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"garret/fs/mount"
	"garret/fs/tree"
)

type mountCmd struct {
	Args       []string `arg:"" name:"[SNAPSHOT[:PATH]] DIR" help:"Where to mount; and what, if not all snapshots."`
	Foreground bool     `short:"f" help:"Stay in the foreground; end with ctrl-c."`
	AllowOther bool     `help:"Let other users in; the kernel then enforces the stored permissions and ACLs."`
	CacheSize  int64    `default:"128" placeholder:"MIB" help:"Memory for decoded data, MiB."`
	Log        string   `placeholder:"FILE" help:"Where the background process reports damage it meets; default: the system log."`
	ReadyFD    int      `hidden:"" name:"ready-fd" help:"Write one byte to this descriptor when mounted."`
}

func (c *mountCmd) Run(ctx context.Context, a *app) error {
	if len(c.Args) > 2 {
		return errors.New("mount takes [SNAPSHOT[:PATH]] DIR")
	}
	if c.CacheSize < 1 {
		return errors.New("--cache-size must be at least 1 MiB")
	}
	if !c.Foreground && c.ReadyFD == 0 {
		return c.background(ctx, a)
	}
	return c.serve(ctx, a)
}

func (c *mountCmd) serve(ctx context.Context, a *app) (err error) {
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
	defer func() { err = firstError(err, o.close(ctx)) }()

	server, err := c.mount(ctx, a, o, log)
	if err != nil {
		return err
	}
	if c.ReadyFD != 0 {
		if err := detach(c.ReadyFD); err != nil {
			return firstError(err, server.Unmount())
		}
	} else {
		fmt.Fprintf(a.stderr, "garret: mounted on %s; end with ctrl-c or `garret umount %s`\n", server.Dir(), server.Dir())
	}
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
	options := mount.Options{
		AllowOther:  c.AllowOther,
		FSName:      "garret:" + o.Backend().Location(),
		StoredBytes: o.reader.Stored,
		Log:         log,
	}
	if len(c.Args) == 1 {
		return mount.Mount(dir, &archive{o}, options)
	}
	spec, _ := splitTarget(c.Args[0])
	snap, err := a.find(ctx, o.Repository, spec)
	if err != nil {
		return nil, err
	}
	t, from, path, err := a.resolve(ctx, o, snap.ID.String()+c.Args[0][len(spec):])
	if err != nil {
		return nil, err
	}
	if from.Type != tree.Directory {
		return nil, fmt.Errorf("%q is a %s; only a directory can be mounted", path, typeName(from.Type))
	}
	options.XattrFamilies = snap.XattrFamilies
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
