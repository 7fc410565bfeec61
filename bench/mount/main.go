// Command mount measures what a program sees of a mounted snapshot beside the
// same files on a tmpfs: copies, archives, listings, one large file. Each
// measurement is taken natively and from a fresh mount in turn, with the
// kernel's caches of the native files warm, and told as the ratio of medians. Two
// settings of a virtual machine are changed meanwhile (internal/machine), unless
// -as-found says otherwise; the table says so. It leaves nothing behind. It needs
// root or fusermount3, and some 8 GB of a tmpfs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"garret/bench/internal/files"
	"garret/bench/internal/machine"
)

func main() {
	b := &bench{}
	flag.StringVar(&b.program, "garret", "bin/garret", "the `program` to measure")
	flag.StringVar(&b.source, "source", "", "a `directory` of program text; without it Debian's linux-source-6.1 or, if that is not installed, Go's distribution")
	flag.StringVar(&b.dir, "dir", "/dev/shm", "where everything goes: a `directory` on a tmpfs")
	flag.IntVar(&b.runs, "runs", 3, "how `often` each is measured")
	flag.IntVar(&b.image, "image", 1024, "the large file's size, `MiB`")
	flag.StringVar(&b.only, "only", "", "only measurements whose name holds this `text`")
	asFound := flag.Bool("as-found", false, "do not change the machine's settings, which slow some virtual ones down")
	out := flag.String("out", "", "write the table to this `file` too")
	flag.Parse()
	os.Exit(run(b, *out, *asFound))
}

func run(b *bench, out string, asFound bool) (code int) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends the program at once

	fail := func(err error) int {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		fmt.Fprintf(os.Stderr, "bench-mount: %v\n", err)
		return 2
	}
	var err error
	if b.program, err = filepath.Abs(b.program); err == nil {
		_, err = os.Stat(b.program)
	}
	if err != nil {
		return fail(fmt.Errorf("%w; `make build` builds it", err))
	}
	if b.runs < 1 || b.image < 1 {
		return fail(errors.New("-runs and -image must be at least 1"))
	}
	if b.dir, err = os.MkdirTemp(b.dir, "garret-bench-"); err != nil {
		return fail(err)
	}
	defer func() {
		if err := os.RemoveAll(b.dir); err != nil {
			code = fail(err)
		}
	}()
	if b.source == "" {
		if b.source, err = defaultSource(ctx, filepath.Join(b.dir, "linux")); err != nil {
			return fail(err)
		}
	}
	if !asFound {
		var end func()
		b.changed, end = machine.Steady()
		defer end()
	}
	rows, err := b.all(ctx)
	if err != nil {
		return fail(err)
	}
	text := b.table(rows)
	fmt.Print(text)
	if out != "" {
		if err := os.WriteFile(out, []byte(text), 0o644); err != nil {
			return fail(err)
		}
	}
	return 0
}

// defaultSource unpacks Debian's source of Linux into a new directory, or else
// returns Go's distribution.
func defaultSource(ctx context.Context, dir string) (string, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	if err := files.UnpackLinux(ctx, dir); !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w; or choose a directory with -source", err)
	}
	return filepath.EvalSymlinks(strings.TrimSpace(string(out)))
}
