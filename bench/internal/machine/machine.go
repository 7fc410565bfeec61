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
	reporting    = "/sys/module/page_reporting/parameters/page_reporting_order"
	largestOrder = 11
	// How long an idle processor of a virtual machine polls before it halts,
	// nanoseconds, if this is how its idle time is governed.
	polling        = "/sys/module/haltpoll/parameters/guest_halt_poll_ns"
	governor       = "/sys/devices/system/cpu/cpuidle/current_governor"
	defaultPolling = 200_000 // of the kernel
)

// Steady changes two settings of a virtual machine, where root may, until end is
// called, and says how. If the program is killed they stay.
//
// Memory that is free stays the machine's. Its host may get it within seconds
// otherwise, and touching it again takes ten times as long then: what is measured
// after a pause, or needs more than what ran before, would pay for it.
//
// An idle processor polls for as long as the kernel has it do by default. Waking
// one that has halted takes some 20 us on a virtual machine, and a few on
// hardware; programs that wait for each other, as those do that read a mount and
// the one that serves it, would be measured by it more than by what they do.
func Steady() (changed []string, end func()) {
	var undo []func()
	change := func(parameter string, was, to int, what string) bool {
		if os.WriteFile(parameter, []byte(strconv.Itoa(to)), 0o644) != nil {
			return false
		}
		undo = append(undo, func() { _ = os.WriteFile(parameter, []byte(strconv.Itoa(was)), 0o644) })
		changed = append(changed, what)
		return true
	}
	if order, ok := number(reporting); ok && order >= 0 && order < largestOrder-1 {
		const what = "the machine keeps the memory that is free"
		// Some kernels take only orders that there are.
		_ = change(reporting, order, largestOrder, what) || change(reporting, order, largestOrder-1, what)
	}
	if ns, ok := number(polling); ok && ns < defaultPolling && get(governor) == "haltpoll" {
		change(polling, ns, defaultPolling,
			fmt.Sprintf("an idle processor polls for %d us before it halts, as by the kernel's default (as found: %d)", defaultPolling/1000, ns/1000))
	}
	return changed, func() {
		for _, u := range undo {
			u()
		}
	}
}

// get returns what a file says, "" if it cannot be read.
func get(path string) string {
	value, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(value))
}

// number returns a parameter of the kernel, if there is one.
func number(parameter string) (n int, ok bool) {
	n, err := strconv.Atoi(get(parameter))
	return n, err == nil
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
