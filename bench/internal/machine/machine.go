// Package machine makes a machine equally fast for all that is measured.
package machine

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

const (
	// Free page reporting: the order of the smallest free block that a virtual
	// machine gives back to its host (Linux 5.14).
	reporting = "/sys/module/page_reporting/parameters/page_reporting_order"
	// How long an idle processor of a virtual machine polls before it halts,
	// nanoseconds, where the haltpoll governor is in use.
	polling = "/sys/module/haltpoll/parameters/guest_halt_poll_ns"

	defaultPolling = 200_000 // of the kernel
)

// Steady changes two settings of a virtual machine, where root may, until end is
// called, and says how.
//
// Memory that is free stays the machine's. Its host may get it within seconds
// otherwise, and touching it again takes ten times as long then: what is measured
// after a pause, or needs more than what ran before, would pay for it.
//
// An idle processor polls for as long as the kernel has it do by default. Waking
// one that has halted takes some 20 us on a virtual machine, which hardware does
// in few; programs that wait for each other, as those do that read a mount and the
// one that serves it, would be measured by it more than by what they do.
func Steady() (changed []string, end func()) {
	var undo []func()
	for _, order := range []string{"11", "10"} { // some kernels take only orders that there are
		if was, ok := set(reporting, order); ok {
			undo = append(undo, func() { set(reporting, was) })
			changed = append(changed, "the machine keeps the memory that is free")
			break
		}
	}
	if ns, err := strconv.Atoi(get(polling)); err == nil && ns < defaultPolling {
		if was, ok := set(polling, strconv.Itoa(defaultPolling)); ok {
			undo = append(undo, func() { set(polling, was) })
			changed = append(changed, fmt.Sprintf("an idle processor polls for %d us before it halts, as by the kernel's default (here: %s ns)", defaultPolling/1000, was))
		}
	}
	return changed, func() {
		for _, u := range undo {
			u()
		}
	}
}

// get reads a parameter of the kernel, "" if there is none.
func get(parameter string) string {
	value, err := os.ReadFile(parameter)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(value))
}

// set changes a parameter of the kernel, if this process may.
func set(parameter, value string) (was string, ok bool) {
	if was = get(parameter); was == "" {
		return "", false
	}
	return was, os.WriteFile(parameter, []byte(value), 0o644) == nil
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
