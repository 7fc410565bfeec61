package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"garret/bench/internal/files"
	"garret/fs/compare"
)

var errDifferent = errors.New("it is not the same")

// What is changed: one line, the name of a directory, and a new file.
const (
	editedFile = "net/http/server.go"
	renamedDir = "crypto"
	newName    = "cryptography"
	addedFile  = "added.bin"
	addedBytes = 5 << 20
)

// demo is the show and what it finds out.
type demo struct {
	*shell
	mounted  bool
	noFUSE   error // why there is no mount
	restored int   // times

	goVersion            string
	compared             compare.Stats
	repo                 [3]int64         // bytes after each snapshot
	took                 [3]time.Duration // of each snapshot
	mounting, comparing  time.Duration
	restoring, verifying time.Duration
	renamedEntries       int
}

func (d *demo) show(ctx context.Context) error {
	goRoot, err := d.goEnvironment(ctx)
	if err != nil {
		return err
	}
	source, mnt := d.path("src"), d.path("mnt")
	d.say("Go's source tree, copied, so that it can be changed.")
	d.typed("cd", d.dir)
	if _, err := d.run("cp", "-a", filepath.Join(goRoot, "src"), "src"); err != nil {
		return err
	}
	d.say("A repository. Usually it lies on another disk or machine.")
	for _, v := range variables(d.dir)[:2] { // the cache's place is the demo's own affair
		name, value, _ := strings.Cut(v, "=")
		d.typed("export", name+"="+value)
	}
	if _, err := d.run("garret", "init"); err != nil {
		return err
	}
	d.say("The first snapshot reads everything.")
	if err := d.snapshot(0); err != nil {
		return err
	}
	if err := os.Mkdir(mnt, 0o755); err != nil {
		return err
	}
	if err := d.look(); err != nil {
		return err
	}
	// Where all snapshots are mounted, the top of each has the snapshot's time.
	exact := compare.Options{IgnoreRoot: d.noFUSE == nil}
	if d.comparing, err = d.compare(source, d.view(mnt, "latest"), exact); err != nil {
		return err
	}
	if err := d.change(source); err != nil {
		return err
	}
	d.say("The second snapshot reads what has changed, and stores what is new.")
	if err := d.snapshot(1); err != nil {
		return err
	}
	d.say("A third one, of which nothing has changed.")
	if err := d.snapshot(2); err != nil {
		return err
	}
	if _, err := d.run("garret", "snapshots"); err != nil {
		return err
	}
	if d.noFUSE == nil {
		d.say("Within seconds the mount shows them too. The newest is what is there now, the first what was there before.")
		if err := d.await(mnt, len(d.took)); err != nil {
			return err
		}
		if _, err := d.run("ls", "mnt/snapshots"); err != nil {
			return err
		}
	}
	if _, err := d.compare(source, d.view(mnt, "latest"), exact); err != nil {
		return err
	}
	// The copy's owner and attributes may not be the original's.
	untouched := exact
	untouched.IgnoreOwner, untouched.IgnoreXattr = os.Geteuid() != 0, func(string) bool { return true }
	if _, err := d.compare(filepath.Join(goRoot, "src"), d.view(mnt, "latest~2"), untouched); err != nil {
		return err
	}
	d.say("Everything that is stored is read, decrypted and verified.")
	if d.verifying, err = d.run("garret", "check", "--read-data"); err != nil {
		return err
	}
	return d.unmount()
}

// snapshot takes the n-th one.
func (d *demo) snapshot(n int) (err error) {
	if d.took[n], err = d.run("garret", "snapshot", "--stats", "--root", "src", "src"); err != nil {
		return err
	}
	d.repo[n], _, err = files.Count(d.path("repo"))
	return err
}

// change edits the copy as a day of work might.
func (d *demo) change(source string) error {
	d.say("A day of work: a line is added to a file, a directory gets another name, %s of random bytes come in.", megabytes(addedBytes))
	line := "// a line more"
	fmt.Printf("$ echo '%s' >> src/%s\n", line, editedFile)
	f, err := os.OpenFile(filepath.Join(source, editedFile), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, line)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if _, err := d.run("mv", "src/"+renamedDir, "src/"+newName); err != nil {
		return err
	}
	err = filepath.WalkDir(filepath.Join(source, newName), func(string, os.DirEntry, error) error {
		d.renamedEntries++
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Printf("$ head -c %d /dev/urandom > src/%s\n", addedBytes, addedFile)
	noise := make([]byte, addedBytes)
	if _, err := rand.Read(noise); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(source, addedFile), noise, 0o644)
}

// goEnvironment asks the go command where Go's source is, and what version.
func (d *demo) goEnvironment(ctx context.Context) (root string, err error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	fields := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(fields) != 2 {
		return "", fmt.Errorf("go env printed %q", out)
	}
	d.goVersion = fields[1]
	return fields[0], nil
}
