package term

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the program that asks on /dev/tty.
func TestMain(m *testing.M) {
	ask := map[string]func(context.Context, Sources) ([]byte, bool, error){"old": Passphrase, "new": NewPassphrase}[os.Getenv("TERM_TEST_ASK")]
	if ask == nil {
		os.Exit(m.Run())
	}
	pass, given, err := ask(context.Background(), Sources{Prompt: true, What: "repository /x\x1b[2J"})
	fmt.Printf("%q %v %v\n", pass, given, err)
}

type answer struct {
	pass []byte
	err  error
}

func ask(f func() ([]byte, error)) chan answer {
	c := make(chan answer, 1)
	go func() {
		pass, err := f()
		c <- answer{pass, err}
	}()
	return c
}

// What is typed at a prompt is not shown, and the terminal is as before when
// the prompt is over, however it ends.
func TestPromptHides(t *testing.T) {
	for _, typed := range []string{"secret words\n", " spaces \n", "\n", "pässwörd\n", "\x04", strings.Repeat("x", 4000) + "\n"} {
		s := newScreen(t, 80)
		got := ask(func() ([]byte, error) { return (&terminal{s.tty}).readHidden(t.Context(), "Passphrase: ") })
		s.wait("Passphrase: ", 1)
		s.typeText(typed)
		a := <-got
		if typed == "\x04" { // end of input
			if a.err != errNotTyped {
				t.Errorf("Ctrl-D: %v", a.err)
			}
		} else if a.err != nil || string(a.pass) != strings.TrimSuffix(typed, "\n") {
			t.Errorf("typed %q, got %q, %v", typed, a.pass, a.err)
		}
		if shown := strings.TrimSpace(s.String()); shown != "Passphrase:" {
			t.Errorf("the screen shows %q", shown)
		}
		if !s.echo() {
			t.Error("the terminal does not echo any more")
		}
	}
}

// Ctrl-C while a prompt waits must not leave a terminal without echo.
func TestPromptCancel(t *testing.T) {
	s := newScreen(t, 80)
	ctx, cancel := context.WithCancel(t.Context())
	got := ask(func() ([]byte, error) { return (&terminal{s.tty}).readHidden(ctx, "Passphrase: ") })
	s.wait("Passphrase: ", 1)
	if s.echo() {
		t.Error("the prompt echoes")
	}
	s.typeText("half a passph")
	cancel()
	select {
	case a := <-got:
		if a.err != context.Canceled || a.pass != nil {
			t.Errorf("cancelled: %q, %v", a.pass, a.err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the prompt does not end")
	}
	if !s.echo() {
		t.Error("the terminal does not echo any more")
	}
}

// A new passphrase is typed twice, with three tries.
func TestPromptTwice(t *testing.T) {
	for _, c := range []struct {
		typed []string
		want  string
		err   error
	}{
		{[]string{"one", "one"}, "one", nil},
		{[]string{"one", "two", "", "three", "three"}, "three", nil},
		{[]string{"", "", ""}, "", ErrEmpty},
		{[]string{"a", "b", "a", "c", "a", "d"}, "", ErrMismatch},
	} {
		s := newScreen(t, 80)
		got := ask(func() ([]byte, error) { return (&terminal{s.tty}).readTwice(t.Context(), "repository /x") })
		for i, line := range c.typed {
			s.wait(": ", i+1+strings.Count(s.String(), "garret: "))
			// The terminal is ready when it hides: then nothing is dropped.
			for s.echo() {
				time.Sleep(time.Millisecond)
			}
			s.typeText(line + "\n")
			s.wait("\n", i+1)
		}
		if a := <-got; string(a.pass) != c.want || !errors.Is(a.err, c.err) {
			t.Errorf("typed %q: got %q, %v", c.typed, a.pass, a.err)
		}
	}
}

// The prompt is on the controlling terminal, whatever the standard streams are.
// What it names cannot harm the terminal.
func TestPromptOnControllingTerminal(t *testing.T) {
	run := func(which string, s *screen) *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "TERM_TEST_ASK="+which)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if s != nil {
			cmd.SysProcAttr.Setctty = true
			cmd.ExtraFiles = []*os.File{s.tty}
			cmd.SysProcAttr.Ctty = 3
		}
		return cmd
	}
	for which, lines := range map[string][]string{"old": {"tell nobody"}, "new": {"tell nobody", "tell nobody"}} {
		s := newScreen(t, 80)
		cmd := run(which, s)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for i, line := range lines {
			s.wait(": ", i+1)
			s.typeText(line + "\n")
			s.wait("\n", i+1)
		}
		buf := make([]byte, 1000)
		n, _ := out.Read(buf)
		if err := cmd.Wait(); err != nil || string(buf[:n]) != "\"tell nobody\" true <nil>\n" {
			t.Errorf("%s: %q, %v", which, buf[:n], err)
		}
		if shown := s.String(); !strings.Contains(shown, `assphrase for repository /x\x1b[2J: `) || strings.Contains(shown, "nobody") {
			t.Errorf("%s: the screen shows %q", which, shown)
		}
	}
	// From cron there is no terminal, which is no error here.
	if out, err := run("old", nil).Output(); err != nil || string(out) != "\"\" false <nil>\n" {
		t.Errorf("without a terminal: %q, %v", out, err)
	}
}
