package term

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// Where passphrases come from, in this order; then a prompt.
const (
	envPassphrase = "GARRET_PASSPHRASE"
	envFD         = "GARRET_PASSPHRASE_FD"
	envCommand    = "GARRET_PASSCOMMAND"
	envFile       = "GARRET_PASSPHRASE_FILE"

	envNew = "GARRET_NEW_PASSPHRASE" // before the others, for a new one
)

// maxPassphrase bounds what is taken from a file, a descriptor or a command,
// bytes.
const maxPassphrase = 64 << 10

// The errors of Passphrase and NewPassphrase, wrapped with the source's name.
var (
	ErrEmpty    = errors.New("the passphrase is empty")
	ErrTooLong  = fmt.Errorf("the passphrase is longer than %d bytes", maxPassphrase)
	ErrMismatch = errors.New("the two passphrases differ")
)

// Sources says where a passphrase may come from besides the environment.
type Sources struct {
	// Prompt asks on the terminal when the environment has nothing.
	Prompt bool
	// What the passphrase is for, for the prompt: "repository /mnt/backup".
	What string
	// Initial makes NewPassphrase take an existing passphrase's sources too,
	// behind GARRET_NEW_PASSPHRASE: at init there is no other passphrase that
	// they could mean.
	Initial bool
}

// Passphrase returns the passphrase for something that exists. Given is false
// when the environment has none and there is no terminal, or Prompt is not set.
// One newline at the end of a file, of what a descriptor gives and of a
// command's output is not part of it; GARRET_PASSPHRASE is taken as it is. An
// empty passphrase is ErrEmpty: garret sets none, so a variable was set without
// a value or a command printed nothing.
func Passphrase(ctx context.Context, s Sources) (pass []byte, given bool, err error) {
	if pass, given, err = fromEnvironment(ctx); given || err != nil {
		return pass, given, err
	}
	if !s.Prompt {
		return nil, false, nil
	}
	return onTerminal(func(t *terminal) ([]byte, error) {
		pass, err := t.readHidden(ctx, "Passphrase for "+printable(s.What)+": ")
		if err == nil && len(pass) == 0 {
			err = ErrEmpty
		}
		return pass, err
	})
}

// NewPassphrase returns a passphrase to be set; at a prompt it has to be typed
// twice. Given is false as for Passphrase.
func NewPassphrase(ctx context.Context, s Sources) (pass []byte, given bool, err error) {
	if v, ok := os.LookupEnv(envNew); ok {
		return checked(envNew, []byte(v), nil)
	}
	if s.Initial {
		if pass, given, err = fromEnvironment(ctx); given || err != nil {
			return pass, given, err
		}
	}
	if !s.Prompt {
		return nil, false, nil
	}
	return onTerminal(func(t *terminal) ([]byte, error) { return t.readTwice(ctx, printable(s.What)) })
}

// onTerminal asks on the terminal, if there is one.
func onTerminal(ask func(*terminal) ([]byte, error)) (pass []byte, given bool, err error) {
	t, err := openTerminal()
	if err != nil {
		return nil, false, nil
	}
	defer t.Close()
	if pass, err = ask(t); err != nil {
		return nil, false, err
	}
	return pass, true, nil
}

// readTwice asks for a new passphrase until it is typed the same twice, three
// times at most.
func (t *terminal) readTwice(ctx context.Context, what string) ([]byte, error) {
	for try := 1; ; try++ {
		first, err := t.readHidden(ctx, "New passphrase for "+what+": ")
		if err != nil {
			return nil, err
		}
		problem := ErrEmpty
		if len(first) > 0 {
			again, err := t.readHidden(ctx, "The same again: ")
			if err != nil {
				return nil, err
			}
			if bytes.Equal(first, again) {
				return first, nil
			}
			problem = ErrMismatch
		}
		if try == 3 {
			return nil, problem
		}
		fmt.Fprintf(t, "garret: %v; try again\n", problem)
	}
}

// fromEnvironment takes the first source that is set.
func fromEnvironment(ctx context.Context) (pass []byte, given bool, err error) {
	if v, ok := os.LookupEnv(envPassphrase); ok {
		return checked(envPassphrase, []byte(v), nil)
	}
	if v, ok := os.LookupEnv(envFD); ok {
		pass, err = fromDescriptor(v)
		return checked(envFD, pass, err)
	}
	if v, ok := os.LookupEnv(envCommand); ok {
		pass, err = fromCommand(ctx, v)
		return checked(envCommand, pass, err)
	}
	if v, ok := os.LookupEnv(envFile); ok {
		pass, err = fromFile(v)
		return checked(envFile, pass, err)
	}
	return nil, false, nil
}

// checked names the source in an error.
func checked(source string, pass []byte, err error) ([]byte, bool, error) {
	switch {
	case err != nil:
	case len(pass) == 0:
		err = ErrEmpty
	case len(pass) > maxPassphrase:
		err = ErrTooLong
	default:
		return pass, true, nil
	}
	return nil, false, fmt.Errorf("%s: %w", source, err)
}

// fromDescriptor reads a file descriptor to its end and closes it: it can be
// asked once.
func fromDescriptor(number string) ([]byte, error) {
	fd, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return nil, fmt.Errorf("%.32q is not the number of a file descriptor", number)
	}
	f := os.NewFile(uintptr(fd), "file descriptor "+number)
	defer f.Close()
	return readLimited(f)
}

func fromFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readLimited(f)
}

// fromCommand runs a command line of the shell. It can ask on the terminal, but
// standard input is not for it: that may be what is backed up.
func fromCommand(ctx context.Context, line string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = time.Second // what the shell leaves behind may hold its output open
	var out limitedBuffer
	cmd.Stdout = &out
	switch err := cmd.Run(); {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case out.full: // of which the command may have died
		return nil, ErrTooLong
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return nil, fmt.Errorf("the command failed: %w", err)
	}
	return readLimited(bytes.NewReader(out.data))
}

// limitedBuffer holds as much as readLimited looks at.
type limitedBuffer struct {
	data []byte
	full bool
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if len(b.data)+len(p) > maxPassphrase+2 {
		b.full = true
		return 0, ErrTooLong
	}
	b.data = append(b.data, p...)
	return len(p), nil
}

// readLimited reads to the end and strips one newline there.
func readLimited(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxPassphrase+3))
	if err != nil {
		return nil, err
	}
	if trimmed, ok := bytes.CutSuffix(b, []byte{'\n'}); ok {
		b = bytes.TrimSuffix(trimmed, []byte{'\r'})
	}
	if len(b) > maxPassphrase {
		return nil, ErrTooLong
	}
	return b, nil
}
