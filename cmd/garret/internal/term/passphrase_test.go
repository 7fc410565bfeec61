package term

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// setenv sets the variables of the map and no other that counts.
func setenv(t *testing.T, vars map[string]string) {
	t.Helper()
	for _, name := range []string{envPassphrase, envFD, envCommand, envFile, envNew} {
		t.Setenv(name, "") // is put back after the test
		os.Unsetenv(name)
		if v, ok := vars[name]; ok {
			os.Setenv(name, v)
		}
	}
}

func pipeWith(t *testing.T, data string) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		w.WriteString(data)
		w.Close()
	}()
	fd, err := unix.FcntlInt(r.Fd(), unix.F_DUPFD_CLOEXEC, 100)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	return strconv.Itoa(fd)
}

// The sources in their order: each is tried with all behind it set as well.
func TestSourcesInOrder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pass")
	if err := os.WriteFile(file, []byte("from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	order := []struct{ name, value, want string }{
		{envNew, "from new", "from new"}, {envPassphrase, "from env\n", "from env\n"}, {envFD, "", "from fd"},
		{envCommand, "echo from command", "from command"}, {envFile, file, "from file"},
	}
	for i := range order {
		vars := map[string]string{}
		for _, o := range order[i:] {
			vars[o.name] = o.value
		}
		if _, ok := vars[envFD]; ok {
			vars[envFD] = pipeWith(t, "from fd\n")
		}
		setenv(t, vars)
		if i > 0 {
			if pass, given, err := Passphrase(t.Context(), Sources{}); string(pass) != order[i].want || !given || err != nil {
				t.Errorf("%s: %q, %v, %v", order[i].name, pass, given, err)
			}
		}
		if _, ok := vars[envFD]; ok && i > 0 {
			vars[envFD] = pipeWith(t, "from fd\n") // the other was read to its end
			setenv(t, vars)
		}
		if pass, given, err := NewPassphrase(t.Context(), Sources{Initial: true}); string(pass) != order[i].want || !given || err != nil {
			t.Errorf("new, %s: %q, %v, %v", order[i].name, pass, given, err)
		}
		if pass, given, err := NewPassphrase(t.Context(), Sources{}); given != (i == 0) || err != nil {
			t.Errorf("another new one, %s: %q, %v, %v", order[i].name, pass, given, err)
		}
	}
	setenv(t, nil)
	if pass, given, err := Passphrase(t.Context(), Sources{}); pass != nil || given || err != nil {
		t.Errorf("nothing set: %q, %v, %v", pass, given, err)
	}
}

// One newline at the end is an editor's or echo's; a second one is the user's.
func TestNewlineAtTheEnd(t *testing.T) {
	long := strings.Repeat("x", maxPassphrase)
	for _, c := range []struct {
		data, want string
		err        error
	}{
		{"a", "a", nil}, {"a\n", "a", nil}, {"a\r\n", "a", nil}, {"a\n\n", "a\n", nil}, {"a\r", "a\r", nil}, {" a ", " a ", nil},
		{"a\nb", "a\nb", nil}, {"\x00\xff", "\x00\xff", nil}, {"", "", ErrEmpty}, {"\n", "", ErrEmpty}, {"\r\n", "", ErrEmpty},
		{"\n\n", "\n", nil}, {long, long, nil}, {long + "\n", long, nil}, {long + "\r\n", long, nil}, {long + "y", "", ErrTooLong},
		{long + long, "", ErrTooLong},
	} {
		file := filepath.Join(t.TempDir(), "pass")
		if err := os.WriteFile(file, []byte(c.data), 0o600); err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{envFile: file, envFD: pipeWith(t, c.data), envCommand: "cat '" + file + "'"} {
			setenv(t, map[string]string{name: value})
			pass, given, err := Passphrase(t.Context(), Sources{})
			if string(pass) != c.want || given != (c.err == nil) || !errors.Is(err, c.err) {
				t.Errorf("%s of %.20q (%d bytes): %.20q, %v, %v", name, c.data, len(c.data), pass, given, err)
			}
			if err != nil && !strings.HasPrefix(err.Error(), name+": ") {
				t.Errorf("the error does not name %s: %v", name, err)
			}
		}
	}
}

// A source that is set and fails ends the search: to go on would ask where
// nobody answers, or unlock with a passphrase that was not meant.
func TestSourcesThatFail(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{envPassphrase, "", "GARRET_PASSPHRASE: the passphrase is empty"},
		{envNew, "", "GARRET_NEW_PASSPHRASE: the passphrase is empty"},
		{envFD, "three", `GARRET_PASSPHRASE_FD: "three" is not the number of a file descriptor`},
		{envFD, "-1", `GARRET_PASSPHRASE_FD: "-1" is not the number of a file descriptor`},
		{envFD, "987654", "GARRET_PASSPHRASE_FD: read file descriptor 987654: bad file descriptor"},
		{envCommand, "echo wrong; exit 3", "GARRET_PASSCOMMAND: the command failed: exit status 3"},
		{envCommand, "yes", "GARRET_PASSCOMMAND: " + ErrTooLong.Error()},
		{envCommand, "", "GARRET_PASSCOMMAND: the passphrase is empty"},
		{envFile, "/no/such/file", "GARRET_PASSPHRASE_FILE: open /no/such/file: no such file or directory"},
		{envFile, "/", "GARRET_PASSPHRASE_FILE: read /: is a directory"},
	} {
		setenv(t, map[string]string{c.name: c.value})
		pass, given, err := NewPassphrase(t.Context(), Sources{Initial: true, Prompt: true})
		if pass != nil || given || err == nil || err.Error() != c.want {
			t.Errorf("%s=%q: %q, %v, %v", c.name, c.value, pass, given, err)
		}
	}
}

// The command's standard input is not the program's, which may be what is
// backed up; and a command that hangs can be interrupted.
func TestPassCommand(t *testing.T) {
	setenv(t, map[string]string{envCommand: "cat; sleep 20 2>/dev/null & echo after"})
	if pass, _, err := Passphrase(t.Context(), Sources{}); string(pass) != "after" || err != nil {
		t.Errorf("a command that reads its input: %q, %v", pass, err)
	}
	setenv(t, map[string]string{envCommand: "sleep 20 2>/dev/null & echo x; wait"})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, _, err := Passphrase(ctx, Sources{}); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 10*time.Second {
		t.Errorf("a command that hangs: %v after %v", err, time.Since(begin))
	}
}
