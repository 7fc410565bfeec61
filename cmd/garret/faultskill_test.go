package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"garret/store"
	"garret/store/parity"
)

// damageAll damages everything in a repository within what heals: m cells of
// each pack, all index segments, one copy of whatever has two, some parity.
func damageAll(rnd *rand.Rand, objects map[string][]byte) {
	for name, data := range objects {
		switch folder, _, _ := strings.Cut(name, "/"); folder {
		case "packs":
			k, m, cell := parity.Cells(int64(len(data)), store.DefaultParity)
			data = bytes.Clone(data)
			for _, i := range rnd.Perm(k)[:m] {
				data[i*cell+rnd.IntN(min(cell, len(data)-i*cell))] ^= 0x80
			}
			if k > 100 && rnd.IntN(4) == 0 {
				data = objects[name][:len(data)-64<<10]
			}
			objects[name] = data
		case "index":
			delete(objects, name)
		case "config", "keys", "history":
			first := strings.TrimSuffix(name, ".2")
			if _, twin := objects[first]; !twin || objects[first+".2"] == nil || len(objects[first]) != len(objects[first+".2"]) {
				continue // it has been done
			}
			if rnd.IntN(2) == 0 {
				first += ".2"
			}
			objects[first] = objects[first][:rnd.IntN(len(objects[first]))]
		}
	}
}

// The real program repairs a repository in which everything is damaged, and is
// killed at random moments, now and then again and again: when it is left alone,
// every byte is as it was.
func TestKillRepair(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	u := newFaultUser(t)
	source := t.TempDir()
	faultSource(t, 1, source, 3<<20, 1<<20, 200<<10, 70<<10, 5000, 10)
	u.snapshot("--root", source, source)
	faultSource(t, 2, source, 1<<20, 100<<10)
	u.snapshot("--root", source, source)
	sound := readFiles(t, u.repo)

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	longest, killed, last := time.Duration(0), 0, ""
	wantBack := func() {
		t.Helper()
		now := readFiles(t, u.repo)
		for name, data := range sound {
			if !bytes.Equal(now[name], data) {
				t.Errorf("%s: %s has %d bytes, which are not its %d", last, name, len(now[name]), len(data))
			}
		}
		for name := range now {
			if _, known := sound[name]; !known {
				t.Errorf("%s: %s is left", last, name)
			}
		}
	}
	for round := 0; killed < 10 && round < 40; round++ {
		if err := os.RemoveAll(u.repo); err != nil {
			t.Fatal(err)
		}
		damaged := make(map[string][]byte)
		for name, data := range sound {
			damaged[name] = data
		}
		damageAll(rnd, damaged)
		writeFiles(t, u.repo, damaged)
		if round == 0 {
			began := time.Now()
			u.run("repair", "--yes", "--quiet")
			longest = time.Since(began)
			wantBack()
			continue
		}
		for again := true; again; again = rnd.IntN(2) == 0 && killed < 10 {
			how := killRepair(t, u, rnd, longest)
			if how == "" {
				break
			}
			killed++
			last = how
		}
		u.run("repair", "--yes", "--quiet")
		wantBack()
		if t.Failed() {
			return
		}
	}
	if killed < 10 {
		t.Errorf("only %d repairs were killed", killed)
	}
	u.run("check", "--quiet", "--read-data")
}

// killRepair kills a repair some time after it began, or some time after it
// has reported so many actions as done. It says when; "" if it came too late.
func killRepair(t *testing.T, u *user, rnd *rand.Rand, longest time.Duration) string {
	t.Helper()
	cmd := u.command("repair", "--yes", "--json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { _ = cmd.Process.Kill() }
	delay, lines := time.Duration(rnd.Int64N(int64(longest))), -1
	if rnd.IntN(3) > 0 {
		delay, lines = time.Duration(rnd.IntN(3_000))*time.Microsecond, rnd.IntN(20)
	} else {
		defer time.AfterFunc(delay, kill).Stop()
	}
	done := 0
	for scan := bufio.NewScanner(out); scan.Scan(); {
		if strings.Contains(scan.Text(), `"event":"done"`) {
			if done == lines {
				time.Sleep(delay)
				kill()
			}
			done++
		}
	}
	_, _ = io.Copy(io.Discard, out)
	if err := cmd.Wait(); err == nil {
		return ""
	} else if !strings.Contains(err.Error(), "killed") {
		t.Fatalf("repair: %v", err)
	}
	return fmt.Sprintf("killed %v after action %d, of which %d were told", delay, lines, done)
}
