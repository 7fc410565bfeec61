package mount

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Reasons why something cannot be unmounted.
var (
	ErrNotMounted = errors.New("nothing of garret is mounted there")
	ErrBusy       = errors.New("the mount is in use")
)

// Unmount unmounts what garret, in whatever process, has mounted on dir. While
// somebody uses it, the error wraps ErrBusy and names whom it could find;
// with lazy, the mount goes out of sight at once and ends when they are done.
func Unmount(dir string, lazy bool) error {
	m, isRoot, err := mountAt(dir)
	if err != nil {
		return err
	}
	if !isRoot || !m.ours() {
		return fmt.Errorf("%s: %w", dir, ErrNotMounted)
	}
	return m.unmount(lazy)
}

// ClearDead unmounts what garret has mounted on dir if its server is gone: then
// the directory answers nothing but ENOTCONN. It reports whether it was so. A
// directory that does not exist, or has nothing of garret's mounted on it, is
// left alone.
func ClearDead(dir string) (bool, error) {
	m, isRoot, err := mountAt(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !isRoot || !m.ours() {
		return false, nil
	}
	var st unix.Statfs_t
	if err := retryEINTR(func() error { return unix.Statfs(m.path, &st) }); err != unix.ENOTCONN && err != unix.ECONNABORTED {
		return false, nil
	}
	if err := m.unmount(true); err != nil {
		return false, fmt.Errorf("the mount on %s is dead: %w", dir, err)
	}
	return true, nil
}

// busyWait is how long a busy mount is tried again: files that were closed just
// now may keep it for a moment.
const busyWait = 200 * time.Millisecond

func (m mountPoint) unmount(lazy bool) error {
	flags := unix.UMOUNT_NOFOLLOW
	if lazy {
		flags |= unix.MNT_DETACH
	}
	for begin, pause := time.Now(), 2*time.Millisecond; ; pause *= 2 {
		err := unix.Unmount(m.path, flags)
		if err == unix.EPERM {
			err = m.fusermount(lazy)
		}
		switch {
		case err == nil:
			return nil
		case err == unix.EINVAL:
			return fmt.Errorf("%s: %w", m.path, ErrNotMounted)
		case err != unix.EBUSY && !errors.Is(err, ErrBusy):
			return fmt.Errorf("unmounting %s: %w", m.path, err)
		case time.Since(begin) > busyWait:
			return m.busy()
		}
		time.Sleep(pause)
	}
}

// fusermount unmounts for users other than root.
func (m mountPoint) fusermount(lazy bool) error {
	program, err := fusermountPath()
	if err != nil {
		return err
	}
	mode := "-u"
	if lazy {
		mode = "-uz"
	}
	err = runQuoting(exec.Command(program, mode, "--", m.path))
	if err != nil && strings.Contains(err.Error(), "busy") {
		return ErrBusy
	}
	return err
}

func (m mountPoint) busy() error {
	if who := holders(m.path); len(who) > 0 {
		return fmt.Errorf("%s: %w by %s", m.path, ErrBusy, strings.Join(who, ", "))
	}
	return fmt.Errorf("%s: %w", m.path, ErrBusy)
}

func retryEINTR(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// absolute returns the path of a directory without symbolic links, as the
// kernel lists it.
func absolute(dir string) (string, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}
