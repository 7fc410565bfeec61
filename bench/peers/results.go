package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// results is everything that was measured.
type results struct {
	Machine machineInfo `json:"machine"`
	Runs    int         `json:"runs"`
	Scale   int         `json:"scale"` // generated files are so many times smaller than they should be
	Notes   []string    `json:"notes,omitempty"`
	Corpora []*found    `json:"corpora"`
}

// machineInfo is where it was measured.
type machineInfo struct {
	CPU    string   `json:"cpu"`
	Cores  int      `json:"cores"`
	Memory int64    `json:"memory"` // bytes
	Kernel string   `json:"kernel"`
	Go     string   `json:"go"`
	Tools  []string `json:"tools"`
	// Changed says what was set otherwise than it was found, for as long as it
	// was measured.
	Changed []string `json:"changed,omitempty"`
}

// found is what was measured on one corpus.
type found struct {
	Name  string                       `json:"name"`
	What  string                       `json:"what"`
	Bytes int64                        `json:"bytes"`
	Files int64                        `json:"files"`
	Costs map[string]map[string][]cost `json:"costs"` // by tool and step, of each round
	// Sizes are the repository's bytes after the first snapshot, and what the
	// second version has added.
	Sizes map[string][2]int64 `json:"sizes"`
}

func readResults(path string) (*results, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(results)
	return r, json.Unmarshal(data, r)
}

func (r *results) write(path string) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// describeMachine describes the one this runs on.
func describeMachine(ctx context.Context) machineInfo {
	m := machineInfo{Cores: runtime.NumCPU(), Go: runtime.Version()}
	m.CPU = field("/proc/cpuinfo", "model name")
	kib, _, _ := strings.Cut(field("/proc/meminfo", "MemTotal"), " ")
	for _, c := range kib {
		m.Memory = 10*m.Memory + int64(c-'0')
	}
	m.Memory <<= 10
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	m.Kernel, _, _ = strings.Cut(strings.TrimSpace(string(release)), "-")
	if out, err := exec.CommandContext(ctx, "systemd-detect-virt", "--vm").Output(); err == nil {
		m.CPU += ", virtual (" + strings.TrimSpace(string(out)) + ")"
	}
	return m
}

// field returns the first value of a name in a file of "name: value".
func field(path, name string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// median returns that of the rounds, one of its fields at a time.
func median(rounds []cost) cost {
	of := func(get func(cost) float64) float64 {
		var v []float64
		for _, c := range rounds {
			v = append(v, get(c))
		}
		slices.Sort(v)
		return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
	}
	return cost{
		of(func(c cost) float64 { return c.Wall }),
		of(func(c cost) float64 { return c.CPU }),
		of(func(c cost) float64 { return c.Peak }),
	}
}

// took returns the median of a step, false if it was not measured.
func (f *found) took(who, step string) (cost, bool) {
	rounds := f.Costs[who][step]
	if len(rounds) == 0 {
		return cost{}, false
	}
	return median(rounds), true
}

// peers are the tools other than garret that a corpus was measured with.
func (f *found) peers() (names []string) {
	for _, name := range []string{"borg", "restic"} {
		if f.Costs[name] != nil {
			names = append(names, name)
		}
	}
	return names
}
