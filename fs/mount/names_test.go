package mount

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// anyNames are names that Linux file systems can hold and programs stumble over.
var anyNames = []string{
	"plain", " ", " blanks around ", "-rf", "--help", "new\nline", "\n", "tab\tbell\a\x1b[31m", "\x01\x7f",
	"quotes\"'`", "$(touch x)", "back\\slash", "*?[a]", "a:b", "100%", "%2F", "#tag", "~", "...", ".hidden", "trailing.",
	"caf\u00e9", "cafe\u0301", // the same to the eye, in both normal forms
	"\xff\xfe", "caf\xe9", "\x80\xbf\xc0", "broken \xf0\x9f\x92 emoji", // not UTF-8
	"👩‍👩‍👧‍👦 🇩🇪", "שלום \u202eRTL\u202c", "\u200bzero\u2060width", "\ufeffBOM", "ﬁ ligature", "ＷＩＤＥ", "日本語", "\u1e9b\u0323",
	"CON", "desktop.ini", strings.Repeat("n", 255), strings.Repeat("é", 127) + "x", strings.Repeat("\xff", 255),
}

func namesTree() *item {
	d := dir("names")
	for i, name := range anyNames {
		d.children = append(d.children, file(name, piece{data: noise(uint64(i), 200+i*997)}))
	}
	return dir("", d)
}

// needProgram skips where a program is not installed, but not in CI, which
// installs it.
func needProgram(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: CI must install it", name)
	}
	t.Skipf("%s is not installed", name)
}

// compareCopy compares a copy of the names with what was stored.
func compareCopy(t *testing.T, path string, want *item) {
	t.Helper()
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	var got, names []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	for _, c := range want.children {
		names = append(names, c.Name)
		if b, err := os.ReadFile(path + "/" + c.Name); err != nil || !bytes.Equal(b, c.content()) {
			t.Errorf("%q: content differs, or cannot be read: %v", c.Name, err)
		}
	}
	slices.Sort(got)
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Errorf("copied\n%q, want\n%q", got, names)
	}
}

// Files of any name come out of the mount as they went in, with the programs
// that people use, whatever the locale.
func TestAnyNameCopiesOut(t *testing.T) {
	root := namesTree()
	a := &memArchive{}
	a.add(t, dated("aa", 0), root)
	mnt, _ := mountArchive(t, a, Options{})
	want := root.children[0]
	for program, script := range map[string]string{
		"cp":    `cp -a "$1/names" "$2"`,
		"rsync": `rsync -a "$1/names" "$2/"`,
		"tar":   `tar -C "$1" -cf - names | tar -C "$2" -xf -`,
		// GNOME's and Xfce's file managers copy through GIO.
		"gio": `mkdir "$2/names"; cd "$1/names"; for f in ./* ./.h* ./...; do gio copy "$f" "$2/names/" || exit 1; done`,
	} {
		for _, locale := range []string{"C", "C.UTF-8"} {
			t.Run(program+" "+locale, func(t *testing.T) {
				needProgram(t, program)
				to := t.TempDir()
				cmd := exec.Command("sh", "-ec", script, "sh", mnt+"/latest", to)
				cmd.Env = append(os.Environ(), "LC_ALL="+locale, "GIO_USE_VFS=local")
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				compareCopy(t, to+"/names", want)
			})
		}
	}
	for program, script := range map[string]string{"ls": `ls -la "$1"`, "find": `find "$1" -ls`} {
		cmd := exec.Command("sh", "-ec", script, "sh", mnt+"/latest/names")
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		var errs bytes.Buffer
		cmd.Stderr = &errs
		if out, err := cmd.Output(); err != nil || errs.Len() > 0 || bytes.Count(out, []byte("\n")) < len(anyNames) {
			t.Errorf("%s: %v: %s", program, err, errs.Bytes())
		}
	}
}

// A file manager that is asked to delete says that it cannot, in a sentence, and
// nothing is the worse for it.
func TestTrash(t *testing.T) {
	needProgram(t, "gio")
	mnt := mountTree(t, namesTree(), Options{})
	for _, command := range []string{"trash", "remove"} {
		cmd := exec.Command("gio", command, mnt+"/names/plain")
		cmd.Env = append(os.Environ(), "LC_ALL=C", "GIO_USE_VFS=local", "HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if text := strings.TrimSpace(string(out)); err == nil || text == "" || strings.Contains(text, "\n") {
			t.Errorf("gio %s: %q, %v; want one line", command, text, err)
		}
	}
	if _, err := os.Stat(mnt + "/names/plain"); err != nil {
		t.Error(err)
	}
}

// Midnight Commander marks everything and copies it to its other panel, by the
// keys that a person presses. A newline in a name it makes a blank, on whatever
// file system; such names are left out.
func TestMidnightCommander(t *testing.T) {
	needProgram(t, "mc")
	root := namesTree()
	names := root.children[0]
	names.children = slices.DeleteFunc(names.children, func(c *item) bool { return strings.Contains(c.Name, "\n") })
	mnt := mountTree(t, root, Options{})
	for _, locale := range []string{"C", "C.UTF-8"} {
		to := t.TempDir()
		master, terminal := openTerminal(t)
		cmd := exec.Command("mc", "--nosubshell", "--nocolor", mnt+"/names", to)
		cmd.Env = append(os.Environ(), "LC_ALL="+locale, "TERM=vt100", "HOME="+t.TempDir())
		cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		terminal.Close()
		shown := make(chan struct{}, 1)
		go func() { // what it draws
			buf := make([]byte, 4096)
			for {
				if _, err := master.Read(buf); err != nil {
					return
				}
				select {
				case shown <- struct{}{}:
				default:
				}
			}
		}()
		quiet := func() { // until it has drawn what there is to draw
			<-shown
			for {
				select {
				case <-shown:
				case <-time.After(400 * time.Millisecond):
					return
				}
			}
		}
		quiet()
		for _, keys := range []string{"*", "\x1b5", "\r"} { // mark all; F5, copy; yes
			if _, err := master.WriteString(keys); err != nil {
				t.Fatal(err)
			}
			quiet()
		}
		if _, err := master.WriteString("\x1b0"); err != nil { // F10, quit
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
		case <-time.After(3 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		master.Close()
		compareCopy(t, to, names)
	}
}

// openTerminal returns a terminal and what sits at it.
func openTerminal(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 120}); err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(filepath.Join("/dev/pts", strconv.Itoa(number)), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, terminal
}

// A snapshot's directory has the snapshot's time, whichever way it is asked for.
func TestSnapshotTimes(t *testing.T) {
	a := &memArchive{}
	a.add(t, dated("aa", 0), dir("", text("f", "x")))
	mnt, _ := mountArchive(t, a, Options{})
	for range 2 { // before it was opened, and after
		for _, path := range []string{"/latest/.", "/ids/aaaaaaaa/", "/snapshots/" + filepath.Base(firstName(t, mnt+"/snapshots"))} {
			info, err := os.Stat(mnt + path)
			if err != nil || !info.ModTime().Equal(dated("aa", 0).Time) {
				t.Errorf("%s: %v, %v", path, info, err)
			}
		}
	}
}
