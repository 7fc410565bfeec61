package term

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// screen is the far side of a pseudo-terminal: it sees what a person would, and
// types.
type screen struct {
	t      *testing.T
	master *os.File
	tty    *os.File // what the program has

	mu   sync.Mutex
	text []byte
}

// newScreen opens a terminal of the given width.
func newScreen(t *testing.T, columns uint16) *screen {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
		if err == nil {
			err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 25, Col: columns})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, master: master, tty: tty}
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			s.mu.Lock()
			s.text = append(s.text, buf[:n]...)
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		tty.Close()
		master.Close()
		<-read
	})
	return s
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text)
}

// wait waits until the screen has shown text, n times.
func (s *screen) wait(text string, n int) {
	s.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if strings.Count(s.String(), text) >= n {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("%q was not shown %d times in %q", text, n, s)
		}
	}
}

func (s *screen) typeText(text string) {
	s.t.Helper()
	if _, err := s.master.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

// echo reports whether what is typed is shown.
func (s *screen) echo() bool {
	t, err := withTermios(s.tty, func(fd int) (*unix.Termios, error) { return unix.IoctlGetTermios(fd, unix.TCGETS) })
	if err != nil {
		s.t.Fatal(err)
	}
	return t.Lflag&unix.ECHO != 0
}

// visible interprets what was written as a terminal does: returns, line feeds
// and clearing to the end of the line; it returns the lines.
func visible(text string) []string {
	lines, column := [][]byte{nil}, 0
	for len(text) > 0 {
		last := &lines[len(lines)-1]
		switch {
		case strings.HasPrefix(text, "\x1b[K"):
			*last = (*last)[:min(column, len(*last))]
			text = text[2:]
		case text[0] == '\r':
			column = 0
		case text[0] == '\n':
			lines = append(lines, nil)
			column = 0
		default:
			*last = append((*last)[:min(column, len(*last))], append([]byte{text[0]}, (*last)[min(column+1, len(*last)):]...)...)
			column++
		}
		text = text[1:]
	}
	shown := []string{}
	for _, line := range lines {
		shown = append(shown, string(bytes.TrimRight(line, " ")))
	}
	return shown
}
