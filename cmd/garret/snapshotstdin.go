package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"garret/cmd/garret/internal/term"
)

// standardInput is the stream of `snapshot -`. A read of it cannot be
// interrupted, so somebody else does it.
func standardInput(ctx context.Context) (io.ReadCloser, error) {
	r, w := io.Pipe()
	go func() {
		_, err := io.CopyBuffer(w, struct{ io.Reader }{os.Stdin}, make([]byte, 1<<20))
		w.CloseWithError(err)
	}()
	stop := context.AfterFunc(ctx, func() { w.CloseWithError(ctx.Err()) })
	return &input{Reader: r, close: func() error { stop(); return r.Close() }}, nil
}

type input struct {
	io.Reader
	close func() error
}

func (i *input) Close() error { return i.close() }

// commandOutput is the stream of `snapshot --stdin-command`. It ends without an
// error only if the command has.
func commandOutput(args []string, stderr io.Writer) stream {
	return func(ctx context.Context) (io.ReadCloser, error) {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Stdin, cmd.Stderr = os.Stdin, stderr
		cmd.WaitDelay = time.Second // for its children that keep the pipe open
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			return nil, fmt.Errorf("command %s cannot be run; no snapshot was made: %w", term.Name(args[0]), err)
		}
		c := &output{ctx: ctx, cmd: cmd, out: out}
		return &input{Reader: c, close: c.close}, nil
	}
}

// output is what a command writes.
type output struct {
	ctx   context.Context
	cmd   *exec.Cmd
	out   io.Reader
	ended bool
	err   error
}

func (o *output) Read(p []byte) (int, error) {
	if o.ended {
		return 0, o.err
	}
	n, err := o.out.Read(p)
	if err == nil || n > 0 {
		return n, nil
	}
	o.ended, o.err = true, err
	if failed := o.cmd.Wait(); failed != nil {
		o.err = fmt.Errorf("command %s ended with %s; no snapshot was made",
			term.Name(o.cmd.Path), strings.TrimPrefix(failed.Error(), "exit "))
		if o.ctx.Err() != nil {
			o.err = o.ctx.Err()
		}
	}
	return 0, o.err
}

// close ends a command that nobody reads any more.
func (o *output) close() error {
	if o.ended {
		return nil
	}
	o.ended = true
	_ = o.cmd.Process.Kill()
	_ = o.cmd.Wait() // it was killed
	return nil
}
