package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"garret/fs/compare"
)

// shownDifferences is how many are printed.
const shownDifferences = 20

// exitMount is garret's exit code for "cannot mount".
const exitMount = 18

// look mounts, if that is possible here, and lists what there is.
func (d *demo) look() (err error) {
	if d.noFUSE = canMount(); d.noFUSE == nil {
		d.say("A mount shows all snapshots as directories.")
		d.mounted = true // or perhaps half: it is unmounted in any case
		d.mounting, err = d.run("garret", "mount", "mnt")
		var failed *exec.ExitError
		if errors.As(err, &failed) && failed.ExitCode() == exitMount {
			d.noFUSE, d.mounted = errors.New("the system does not allow it"), false
		} else if err != nil {
			return err
		}
	}
	if d.noFUSE != nil {
		d.say("This machine cannot mount: %v. `garret ls` and `garret restore` need no mount.", d.noFUSE)
		_, err := d.run("garret", "ls", "latest")
		return err
	}
	for _, dir := range []string{"mnt", "mnt/snapshots", "mnt/latest/"} {
		if _, err := d.run("ls", "-C", dir); err != nil {
			return err
		}
	}
	_, err = d.run("ls", "-l", "mnt/latest/net/http/cookiejar")
	return err
}

// canMount says what a mount lacks here.
func canMount() error {
	if err := unix.Access("/dev/fuse", unix.R_OK|unix.W_OK); err != nil {
		return fmt.Errorf("/dev/fuse: %w", err)
	}
	if os.Geteuid() != 0 {
		if _, err := exec.LookPath("fusermount3"); err != nil {
			return err
		}
	}
	return nil
}

// await waits until the mount shows so many snapshots, and what was added as the
// latest one's: it asks the repository for them every few seconds only.
func (d *demo) await(mnt string, snapshots int) error {
	const longest = 15 * time.Second
	for end := time.Now().Add(longest); ; time.Sleep(50 * time.Millisecond) {
		names, err := os.ReadDir(filepath.Join(mnt, "snapshots"))
		if err == nil && len(names) != snapshots {
			err = fmt.Errorf("it shows %d snapshots, not %d", len(names), snapshots)
		}
		if err == nil {
			_, err = os.Stat(filepath.Join(mnt, "latest", addedFile))
		}
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

// view names a place where a snapshot can be seen: in the mount, or else
// restored, when compare asks for it.
func (d *demo) view(mnt, snapshot string) func() (string, error) {
	return func() (string, error) {
		if d.noFUSE != nil {
			d.restored++
			out := fmt.Sprintf("restored-%d", d.restored)
			took, err := d.run("garret", "restore", "--quiet", snapshot, out)
			d.restoring = max(d.restoring, took)
			return d.path(out), err
		}
		if snapshot == "latest" {
			return filepath.Join(mnt, "latest"), nil
		}
		// Names begin with the time: the first one is the oldest.
		names, err := os.ReadDir(filepath.Join(mnt, "snapshots"))
		if err != nil || len(names) == 0 {
			return "", fmt.Errorf("the mount shows no snapshot: %w", err)
		}
		return filepath.Join(mnt, "snapshots", names[0].Name()), nil
	}
}

// compare compares every byte and attribute of two trees.
func (d *demo) compare(want string, view func() (string, error), o compare.Options) (time.Duration, error) {
	got, err := view()
	if err != nil {
		return 0, err
	}
	seen := got
	if got, err = filepath.EvalSymlinks(got); err != nil {
		return 0, err
	}
	fmt.Printf("\n# %s compared with %s: ", d.short(seen), d.short(want))
	started, shown := time.Now(), 0
	stats, err := compare.Run(d.ctx, want, got, o, func(x compare.Difference) {
		if shown++; shown <= shownDifferences {
			fmt.Printf("\n%v", x)
		}
	})
	if err != nil {
		fmt.Println("not done.")
		return 0, err
	}
	took := time.Since(started)
	if stats.Differences > 0 {
		fmt.Printf("\n%d differences.\n", stats.Differences)
		return 0, fmt.Errorf("%s and %s: %w", want, got, errDifferent)
	}
	fmt.Printf("the same, in every byte (%s in %d files), mode, owner, time and link of %d entries; %s.\n",
		megabytes(int64(stats.Bytes)), stats.Files, stats.Entries, seconds(took))
	if d.compared.Entries == 0 {
		d.compared = stats
	}
	return took, nil
}

func (d *demo) unmount() error {
	if !d.mounted {
		return nil
	}
	if _, err := d.run("garret", "umount", "mnt"); err != nil {
		return err
	}
	d.mounted = false
	return nil
}

// cleanUp ends the mount if it is still there and removes everything.
func (d *demo) cleanUp() error {
	if d.mounted {
		// Not with d.ctx, which may be cancelled.
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := d.command(ctx, "garret", "umount", "--lazy", d.path("mnt")).Run(); err != nil && mounted(d.path("mnt")) {
			return fmt.Errorf("%s is still mounted, and %s is left: %w", d.path("mnt"), d.dir, err)
		}
	}
	return os.RemoveAll(d.dir)
}

// mounted reports whether another file system begins at dir.
func mounted(dir string) bool {
	var here, above unix.Stat_t
	if unix.Stat(dir, &here) != nil || unix.Stat(filepath.Dir(dir), &above) != nil {
		return true // dead, perhaps: better leave it
	}
	return here.Dev != above.Dev
}
