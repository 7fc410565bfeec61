package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"garret/bench/internal/files"
)

// corpus is what is stored.
type corpus struct {
	what string
	// make fills directory a and, unless second is "", directory b.
	make   func(ctx context.Context, b *bench, a, second string) error
	second bool
	mount  bool // is looked through in mounts
	copied bool // and copied out of them
	alone  bool // peers are spared it
}

var corpora = map[string]*corpus{
	"linux":  {what: "the Linux 6.1 source", make: makeLinux, mount: true, copied: true},
	"go":     {what: "Go 1.24.0, then 1.24.1", make: makeGo, second: true},
	"image":  {what: "a disk image of 2 GiB, then the same after files were replaced", make: makeImage, second: true},
	"random": {what: "2 GiB of noise", make: makeRandom},
	"many":   {what: "1,000,000 files of 0 to 3 KiB", make: makeMany, mount: true, alone: true},
}

func makeLinux(ctx context.Context, b *bench, a, _ string) error {
	if b.linux != "" {
		return command{args: []string{"cp", "-a", b.linux + "/.", a}}.run(ctx)
	}
	err := files.UnpackLinux(ctx, a)
	if errors.Is(err, fs.ErrNotExist) {
		return &missingError{"the Debian package linux-source-6.1 is not installed, and -linux names no other tree"}
	}
	return err
}

var toolchains = [2]string{"1.24.0", "1.24.1"}

// toolchain returns the directory of a Go distribution, through the module proxy.
func toolchain(ctx context.Context, version string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", "golang.org/toolchain@v0.0.1-go"+version+".linux-amd64")
	cmd.Dir = os.TempDir()
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=local", "GOFLAGS=-mod=mod", "GONOSUMDB=golang.org/toolchain")
	out, err := cmd.Output()
	var module struct{ Dir, Error string }
	if json.Unmarshal(out, &module) == nil && module.Dir != "" {
		return module.Dir, nil
	}
	return "", &missingError{fmt.Sprintf("Go %s could not be had from the module proxy (%v%s)", version, err, module.Error)}
}

// copyWritable copies a directory of the module cache, which is read-only.
func copyWritable(ctx context.Context, from, to string) error {
	if err := (command{args: []string{"cp", "-r", from + "/.", to}}).run(ctx); err != nil {
		return err
	}
	return command{args: []string{"chmod", "-R", "u+w", to}}.run(ctx)
}

func makeGo(ctx context.Context, b *bench, a, second string) error {
	for i, to := range []string{a, second} {
		dir, err := toolchain(ctx, toolchains[i])
		if err != nil {
			return err
		}
		if err := copyWritable(ctx, dir, to); err != nil {
			return err
		}
	}
	return nil
}

// makeImage makes an ext4 file system of a Go distribution and of modules, and
// replaces every twelfth file of the distribution by the next version's.
func makeImage(ctx context.Context, b *bench, a, second string) error {
	for _, program := range []string{"mke2fs", "debugfs"} {
		if _, err := exec.LookPath(program); err != nil {
			return &missingError{program + " is not installed (e2fsprogs)"}
		}
	}
	var dirs [2]string
	var err error
	for i := range dirs {
		if dirs[i], err = toolchain(ctx, toolchains[i]); err != nil {
			return err
		}
	}
	content := filepath.Join(b.dir, "content")
	if err := os.MkdirAll(filepath.Join(content, "go"), 0o755); err != nil {
		return err
	}
	if err := copyWritable(ctx, dirs[0], filepath.Join(content, "go")); err != nil {
		return err
	}
	image := filepath.Join(a, "image")
	size := fmt.Sprintf("%dM", max(512, 2048/b.scale))
	if err := (command{args: []string{"mke2fs", "-q", "-t", "ext4", "-d", content, image, size}}).run(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(content); err != nil {
		return err
	}
	changed := filepath.Join(second, "image")
	if err := (command{args: []string{"cp", "-a", image, changed}}).run(ctx); err != nil {
		return err
	}
	script, err := replacements(dirs[1])
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "debugfs", "-w", "-f", "-", changed)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("debugfs: %w\n%s", err, tail(out))
	}
	return nil
}

// replacements has debugfs write every twelfth file of a tree anew.
func replacements(from string) (string, error) {
	var script strings.Builder
	n := 0
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if n++; n%12 == 0 && !strings.ContainsAny(path, " \"") {
			name := "/go/" + strings.TrimPrefix(path, from+"/")
			fmt.Fprintf(&script, "rm %s\nwrite %s %s\n", name, path, name)
		}
		return nil
	})
	return script.String(), err
}

func makeRandom(_ context.Context, b *bench, a, _ string) error {
	noise := rand.NewChaCha8([32]byte{7})
	for i := range 4 {
		f, err := os.Create(filepath.Join(a, fmt.Sprintf("noise%d", i)))
		if err != nil {
			return err
		}
		_, err = io.CopyN(f, noise, int64(512<<20/b.scale))
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// makeMany makes files of numbered text in directories of a thousand.
func makeMany(ctx context.Context, b *bench, a, _ string) error {
	text := bytes.Repeat([]byte("a line of text that many files have, more or less\n"), 100)
	for d := range max(1, 1000/b.scale) {
		if err := ctx.Err(); err != nil {
			return err
		}
		sub := filepath.Join(a, fmt.Sprintf("d%03d", d))
		if err := os.Mkdir(sub, 0o755); err != nil {
			return err
		}
		for f := range 1000 {
			n := (d*1000 + f) * 7919 % 3072
			content := append(fmt.Appendf(nil, "%d %d\n", d, f), text...)[:n]
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("f%03d", f)), content, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
