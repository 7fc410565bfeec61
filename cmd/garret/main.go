// Command garret keeps a file system's history: it stores snapshots of
// directories deduplicated, compressed and encrypted, and mounts them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"
)

// memoryLimit is for Go's heap, bytes, besides the caches that a command asks
// for; the garbage collector works harder near it. The packs being filled lie
// outside, with at most 100 MiB.
const memoryLimit = 72 << 20

// limitMemory bounds the heap, unless the user has done so.
func limitMemory(caches int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit + caches)
	}
}

// cli is the command line.
type cli struct {
	Repo string `short:"r" env:"GARRET_REPO" placeholder:"REPOSITORY" help:"Repository: a path. Default: $$XDG_DATA_HOME/garret/repo."`

	Init      initCmd      `cmd:"" help:"Create a repository."`
	Snapshot  snapshotCmd  `cmd:"" help:"Store directories and files as a new snapshot."`
	Snapshots snapshotsCmd `cmd:"" help:"List snapshots."`
	Ls        lsCmd        `cmd:"" help:"List files of a snapshot."`
	Find      findCmd      `cmd:"" help:"Find files in a snapshot, or in all."`
	Diff      diffCmd      `cmd:"" help:"Show how two snapshots differ."`
	Cat       catCmd       `cmd:"" help:"Write a file of a snapshot to standard output."`
	Export    exportCmd    `cmd:"" help:"Write a snapshot as a tar archive."`
	Import    importCmd    `cmd:"" help:"Store a tar archive as a new snapshot."`
	Mount     mountCmd     `cmd:"" help:"Show snapshots as a read-only directory tree."`
	Umount    umountCmd    `cmd:"" help:"End a mount."`
	Restore   restoreCmd   `cmd:"" help:"Write files of a snapshot back."`
	Check     checkCmd     `cmd:"" help:"Find damage."`
	Repair    repairCmd    `cmd:"" help:"Put damage right."`
	Cache     cacheCmd     `cmd:"" help:"Show or clear the local cache."`
	Benchmark benchmarkCmd `cmd:"" help:"Measure this machine and a repository's storage."`
	Version   versionCmd   `cmd:"" help:"Show the version."`
}

// app is what commands get of the world.
type app struct {
	repo   string   // as given; empty for the default
	args   []string // all, after the program's name
	stdout io.Writer
	stderr io.Writer
	// interrupted is closed at the first SIGINT, SIGTERM or SIGHUP, for commands that
	// end in their own way; the context is cancelled at the second, or at the
	// first if nobody takes it.
	interrupted <-chan struct{}
	graceful    func()
}

func main() {
	limitMemory(0)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	var c cli
	parser, err := kong.New(&c,
		kong.Name("garret"),
		kong.Description("Keeps a file system's history: deduplicated, compressed, encrypted, and mounted to be browsed."),
		kong.Writers(stdout, stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		rawStrings(),
		kong.Exit(func(code int) { panic(exit(code)) }))
	if err != nil {
		panic(err) // the structs above are wrong
	}
	return guard(func() int {
		if len(args) == 0 {
			args = []string{"--help"}
		}
		args, err := helperArguments(os.Args[0], args, func(name string) bool {
			return slices.ContainsFunc(parser.Model.Children, func(n *kong.Node) bool { return n.Name == name })
		})
		if err != nil {
			return explain(stderr, err)
		}
		k, err := parser.Parse(flagsFirst(parser.Model.Node, args))
		if err != nil {
			fmt.Fprintf(stderr, "garret: %v; see `garret --help`\n", err)
			return exitFailed
		}
		ctx, a, signalled, stop := withSignals(context.Background())
		defer stop()
		a.repo, a.args, a.stdout, a.stderr = c.Repo, args, stdout, stderr
		k.BindTo(ctx, (*context.Context)(nil))
		err = k.Run(a)
		if sig := signalled(); sig != 0 {
			if err != nil && !errors.Is(err, context.Canceled) {
				explain(stderr, err)
			}
			return exitSignal + int(sig)
		}
		return explain(stderr, err)
	})
}

// exit carries kong's exit code out of its parser (--help).
type exit int

func guard(f func() int) (code int) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(exit)
			if !ok {
				panic(r)
			}
			code = int(e)
		}
	}()
	return f()
}

// withSignals arranges for SIGINT, SIGTERM, and SIGHUP unless it is ignored, as by
// nohup: the first is for the command if it has said that it ends gracefully, else
// it cancels, as the second does.
func withSignals(parent context.Context) (_ context.Context, a *app, signalled func() syscall.Signal, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	incoming := make(chan os.Signal, 2)
	signal.Notify(incoming, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(incoming, syscall.SIGHUP)
	}
	interrupted, graceful := make(chan struct{}), make(chan struct{})
	got := make(chan syscall.Signal, 1)
	go func() {
		s, ok := <-incoming
		if !ok {
			return
		}
		got <- s.(syscall.Signal)
		close(interrupted)
		select {
		case <-graceful:
			// A terminal that is closed may send two, which is no insistence.
			for s = range incoming {
				if s != syscall.SIGHUP {
					break
				}
			}
		default:
		}
		cancel()
	}()
	once := false
	a = &app{interrupted: interrupted, graceful: func() {
		if !once {
			once = true
			close(graceful)
		}
	}}
	return ctx, a, func() syscall.Signal {
			select {
			case s := <-got:
				return s
			default:
				return 0
			}
		}, func() {
			signal.Stop(incoming)
			close(incoming)
			cancel()
		}
}
