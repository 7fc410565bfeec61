package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"garret/store"
)

// errOverlap says that a mount and its repository are in each other's way.
var errOverlap = errors.New("choose another mount point")

// apart refuses a mount that would hide the repository that it shows, or lie in
// it: every read would then have to go through the mount itself.
func (a *app) apart(dir string) error {
	place, err := a.location()
	if err != nil {
		return err
	}
	repo, err := realPath(place)
	if err != nil {
		return err
	}
	point, err := realPath(dir)
	if err != nil {
		return nil // the mount says what is wrong with it
	}
	if within(repo, point) {
		return fmt.Errorf("a mount on %s would hide the repository %s: %w", dir, place, errOverlap)
	}
	if within(point, repo) {
		return fmt.Errorf("%s lies in the repository %s: %w", dir, place, errOverlap)
	}
	return nil
}

func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// within reports whether path is dir or lies in it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// renewing moves the reader to a new session now and then, so that the mount
// never stops collectors for ever, until stop is called.
func renewing(ctx context.Context, r *store.Reader, every time.Duration, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		failing := false
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			err := r.Renew(ctx)
			if err != nil && !failing && ctx.Err() == nil {
				log.Warn("the mount cannot move to a new session; it will try again", "err", err)
			}
			failing = err != nil
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// notifyReady tells systemd that the service is ready, if it wants to know
// (sd_notify(3)).
func notifyReady() error {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return nil
	}
	// A name that begins with @ is in the abstract name space; net knows that.
	c, err := net.Dial("unixgram", socket)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write([]byte("READY=1"))
	return err
}
