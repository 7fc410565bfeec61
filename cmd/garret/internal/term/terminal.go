package term

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// IsTerminal reports whether w is a file open on a terminal.
func IsTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := withTermios(f, func(fd int) (*unix.Termios, error) { return unix.IoctlGetTermios(fd, unix.TCGETS) })
	return err == nil
}

// withTermios calls f with the descriptor. Unlike File.Fd it leaves the file in
// the mode in which reads can be interrupted.
func withTermios(file *os.File, f func(fd int) (*unix.Termios, error)) (t *unix.Termios, err error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	if controlErr := raw.Control(func(fd uintptr) { t, err = f(int(fd)) }); controlErr != nil {
		return nil, controlErr
	}
	return t, err
}

// width returns the terminal's columns, 80 when it does not know.
func width(f *os.File) int {
	columns := 80
	withTermios(f, func(fd int) (*unix.Termios, error) {
		if size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ); err == nil && size.Col > 0 {
			columns = int(size.Col)
		}
		return nil, nil
	})
	return columns
}

// terminal is the one that the process is controlled from, whatever its
// standard streams are.
type terminal struct{ *os.File }

func openTerminal() (*terminal, error) {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if !IsTerminal(f) {
		f.Close()
		return nil, unix.ENOTTY
	}
	return &terminal{f}, nil
}

var errNotTyped = errors.New("no passphrase was typed")

// readHidden asks for a line and reads it without echo. When ctx ends, so does
// the reading, with the echo on again.
func (t *terminal) readHidden(ctx context.Context, prompt string) ([]byte, error) {
	before, err := withTermios(t.File, func(fd int) (*unix.Termios, error) { return unix.IoctlGetTermios(fd, unix.TCGETS) })
	if err != nil {
		return nil, err
	}
	// What was typed ahead was visible, so it is dropped with the change.
	hidden := *before
	hidden.Lflag = hidden.Lflag&^unix.ECHO | unix.ICANON | unix.ISIG | unix.ECHONL
	if err := t.set(unix.TCSETSF, &hidden); err != nil {
		return nil, err
	}
	defer t.set(unix.TCSETS, before)
	stop := context.AfterFunc(ctx, func() { t.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := io.WriteString(t, prompt); err != nil {
		return nil, err
	}
	line, err := readLine(t)
	if ctx.Err() != nil {
		io.WriteString(t, "\n")
		return nil, ctx.Err()
	}
	return line, err
}

func (t *terminal) set(request uint, termios *unix.Termios) error {
	_, err := withTermios(t.File, func(fd int) (*unix.Termios, error) {
		return nil, unix.IoctlSetTermios(fd, request, termios)
	})
	return err
}

// readLine reads up to a newline, which it drops.
func readLine(r io.Reader) ([]byte, error) {
	var line []byte
	buf := make([]byte, 4096) // a terminal's longest line
	for {
		n, err := r.Read(buf)
		if line = append(line, buf[:n]...); len(line) > maxPassphrase {
			return nil, ErrTooLong
		}
		if end := len(line) - 1; end >= 0 && line[end] == '\n' {
			return line[:end], nil
		}
		if err == io.EOF {
			return nil, errNotTyped
		}
		if err != nil {
			return nil, err
		}
	}
}
