// Package memory makes memory equally fast for all that is measured.
//
// A virtual machine may give memory that is free back to its host within seconds
// (free page reporting), and touching it again then takes ten times as long. What
// is measured after a pause, or needs more than what ran before, would pay for it,
// and so would the second half of what takes longer than those seconds.
package memory

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// reporting is the order of the smallest free block that is given back. Linux
// 5.14 and later let root change it.
const reporting = "/sys/module/page_reporting/parameters/page_reporting_order"

// Keep has the machine keep what is free, or all of it but whole blocks of some
// megabytes, where this process may say so, until end is called.
func Keep() (end func()) {
	was, err := os.ReadFile(reporting)
	if err != nil {
		return func() {}
	}
	for _, order := range []string{"11", "10"} { // some kernels take only orders that there are
		if os.WriteFile(reporting, []byte(order), 0o644) == nil {
			return func() { _ = os.WriteFile(reporting, []byte(strings.TrimSpace(string(was))), 0o644) }
		}
	}
	return func() {}
}

// Tmpfs mounts a tmpfs of its own on a new directory until end is called, which
// removes both. It needs root.
func Tmpfs(at string) (end func() error, err error) {
	if err := os.Mkdir(at, 0o755); err != nil {
		return nil, err
	}
	if err := syscall.Mount("none", at, "tmpfs", 0, ""); err != nil {
		return nil, errors.Join(fmt.Errorf("mount a tmpfs: %w", err), os.Remove(at))
	}
	return func() error { return errors.Join(syscall.Unmount(at, 0), os.Remove(at)) }, nil
}

// Touch has the machine hold so many bytes of free memory, by filling a file in
// dir, which is on a tmpfs, and removing it.
func Touch(dir string, bytes int64) error {
	f, err := os.CreateTemp(dir, "touched-")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	zeros := make([]byte, 1<<20)
	for left := bytes; left > 0; left -= int64(len(zeros)) {
		if _, err := f.Write(zeros); err != nil {
			return fmt.Errorf("touching %d bytes of memory: %w", bytes, err)
		}
	}
	return nil
}
