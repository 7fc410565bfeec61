package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cost is what a process took, with all its children.
type cost struct {
	Wall float64 `json:"wall"` // seconds
	CPU  float64 `json:"cpu"`  // user and system, seconds
	Peak float64 `json:"peak"` // memory that is its own (RssAnon), MiB
}

// sampling is how often memory is looked at.
const sampling = 5 * time.Millisecond

// command is one to be measured.
type command struct {
	dir  string
	env  []string
	args []string
}

func (c command) cmd(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	return cmd
}

// measure runs a command and says what it took. What it prints is shown only if
// it fails.
func measure(ctx context.Context, c command) (cost, error) {
	cmd := c.cmd(ctx)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return cost{}, err
	}
	over, peak := make(chan struct{}), make(chan int64)
	go func() { peak <- watch(cmd.Process.Pid, over) }()
	err := cmd.Wait()
	took := time.Since(began)
	close(over)
	most := <-peak
	if err != nil {
		return cost{}, fmt.Errorf("%s: %w\n%s", strings.Join(c.args, " "), err, tail(out.Bytes()))
	}
	used := cmd.ProcessState
	return cost{took.Seconds(), (used.UserTime() + used.SystemTime()).Seconds(), float64(most) / (1 << 20)}, nil
}

func tail(b []byte) []byte { return b[max(0, len(b)-2000):] }

// watch returns the peak of the memory of a process and its children, bytes.
func watch(pid int, over <-chan struct{}) (peak int64) {
	tick := time.NewTicker(sampling)
	defer tick.Stop()
	for {
		peak = max(peak, ownMemory(pid))
		select {
		case <-over:
			return peak
		case <-tick.C:
		}
	}
}

// ownMemory returns the anonymous memory of a process and its children, bytes.
func ownMemory(pid int) (n int64) {
	n = rssAnon(pid)
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return n
	}
	for _, t := range tasks {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		for _, child := range strings.Fields(string(children)) {
			if p, err := strconv.Atoi(child); err == nil {
				n += ownMemory(p)
			}
		}
	}
	return n
}

// rssAnon returns the anonymous memory of a process, 0 if it is gone.
func rssAnon(pid int) int64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "RssAnon:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}
