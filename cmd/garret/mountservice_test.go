package main

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A unit of Type=notify is ready when the mount is, and no sooner.
func TestNotifyReady(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := notifyReady(); err != nil {
		t.Errorf("without a service manager: %v", err)
	}
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), "@garret-test-" + filepath.Base(t.TempDir()) + time.Now().Format("150405.000000")} {
		manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("NOTIFY_SOCKET", name)
		if err := notifyReady(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := make([]byte, 100)
		if err := manager.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if n, err := manager.Read(got); err != nil || string(got[:n]) != "READY=1" {
			t.Errorf("%s: %q, %v", name, got[:n], err)
		}
		manager.Close()
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	if err := notifyReady(); err == nil {
		t.Error("nobody listens, and that is no error")
	}
}

// A mount may stand beside its repository, but not over it nor in it.
func TestApart(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"repo/packs", "repository", "mnt"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("repo", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for repo, points := range map[string]map[string]bool{
		"repo": {"mnt": true, "repository": true, ".": false, "repo": false, "repo/packs": false, "link": false, "link/packs": false, "missing": true},
		"link": {"mnt": true, "repo": false, ".": false},
	} {
		a := &app{repo: filepath.Join(dir, repo)}
		for point, want := range points {
			if err := a.apart(filepath.Join(dir, point)); (err == nil) != want {
				t.Errorf("%s on %s: %v", repo, point, err)
			}
		}
	}
	if err := (&app{repo: filepath.Join(dir, "repo")}).apart("/"); err == nil {
		t.Error("over the root directory")
	}
}
