// Command demo shows what garret does, with the real program and the source of
// the Go distribution of this machine: a snapshot, a mount, a comparison of
// every byte, a change and what that costs, a check. It prints what a person
// would type, and says at the end what came out. It leaves nothing behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	program := flag.String("garret", "bin/garret", "the `program` to show")
	flag.Parse()
	os.Exit(run(*program))
}

func run(program string) (code int) {
	// The second signal ends the program at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop)

	path, err := filepath.Abs(program)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v; `make build` builds it\n", err)
		return 2
	}
	dir, err := os.MkdirTemp("", "garret-demo-")
	if err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		return 2
	}
	d := &demo{shell: newShell(ctx, path, dir)}
	defer func() {
		if err := d.cleanUp(); err != nil {
			fmt.Fprintf(os.Stderr, "demo: %v\n", err)
			code = max(code, 2)
		}
	}()
	err = d.show(ctx)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "\ndemo: interrupted; cleaning up")
		return 130
	case errors.Is(err, errDifferent):
		fmt.Fprintf(os.Stderr, "demo: FAILED: %v\n", err)
		return 1
	case err != nil:
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		return 2
	}
	d.summary()
	return 0
}
