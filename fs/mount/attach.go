package mount

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	fsSubtype = "garret"
	fsType    = "fuse." + fsSubtype
	device    = "/dev/fuse"
)

// Reasons why nothing can be mounted.
var (
	ErrNoFUSE       = errors.New("this system has no FUSE")
	ErrNoFusermount = errors.New("fusermount3 is not installed")
	ErrMounted      = errors.New("something of garret is mounted there already")
	ErrCannotMount  = errors.New("cannot mount")
	ErrAllowOther   = errors.New("other users may not be let in here: ask root to add the line user_allow_other to /etc/fuse.conf, or mount without allow_other")
)

// attachment is how a file system is attached to a directory.
type attachment struct {
	dir        string // absolute, without symbolic links
	source     string
	allowOther bool
	maxRead    int
	noExec     bool

	viaFusermount bool // also as root
}

// attach mounts and returns the file descriptor of the connection. It is
// always read-only, nosuid and nodev. go-fuse can do this too, but neither
// read-only nor with the error that fusermount3 prints.
func (a attachment) attach() (fd int, err error) {
	if _, err := os.Stat(device); err != nil {
		return -1, fmt.Errorf("%w: %s is missing (load the kernel module fuse, or pass the device into the container)", ErrNoFUSE, device)
	}
	if os.Geteuid() == 0 && !a.viaFusermount {
		return a.direct()
	}
	return a.fusermount()
}

// direct mounts with mount(2), as root.
func (a attachment) direct() (int, error) {
	fd, err := unix.Open(device, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("%w: opening %s: %w", ErrNoFUSE, device, err)
	}
	options := []string{
		fmt.Sprintf("fd=%d", fd),
		fmt.Sprintf("rootmode=%o", unix.S_IFDIR),
		fmt.Sprintf("user_id=%d", os.Geteuid()),
		fmt.Sprintf("group_id=%d", os.Getegid()),
		fmt.Sprintf("max_read=%d", a.maxRead),
	}
	options = append(options, a.options()...)
	var flags uintptr = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV
	if a.noExec {
		flags |= unix.MS_NOEXEC
	}
	if err := unix.Mount(a.source, a.dir, fsType, flags, strings.Join(options, ",")); err != nil {
		unix.Close(fd)
		if errors.Is(err, unix.ENODEV) {
			return -1, fmt.Errorf("%w: the kernel does not know it", ErrNoFUSE)
		}
		if errors.Is(err, unix.EPERM) {
			return -1, fmt.Errorf("%w on %s: it is not permitted here, as in a container without CAP_SYS_ADMIN: %w", ErrCannotMount, a.dir, err)
		}
		return -1, fmt.Errorf("%w on %s: %w", ErrCannotMount, a.dir, err)
	}
	return fd, nil
}

// options returns those that mount(2) and fusermount3 have in common.
func (a attachment) options() []string {
	if a.allowOther {
		return []string{"allow_other", "default_permissions"}
	}
	return nil
}

// fusermount lets the set-uid program mount, which hands the connection over
// on a socket (libfuse, util/fusermount.c).
func (a attachment) fusermount() (int, error) {
	program, err := fusermountPath()
	if err != nil {
		return -1, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "fusermount3")
	defer unix.Close(pair[0])

	options := append([]string{
		"ro", "nosuid", "nodev",
		"fsname=" + escapeOption(a.source), "subtype=" + fsSubtype,
		fmt.Sprintf("max_read=%d", a.maxRead),
	}, a.options()...)
	if a.noExec {
		options = append(options, "noexec")
	}
	cmd := exec.Command(program, "-o", strings.Join(options, ","), "--", a.dir)
	cmd.Env = append(os.Environ(), "_FUSE_COMMFD=3")
	cmd.ExtraFiles = []*os.File{theirs}
	err = runQuoting(cmd)
	theirs.Close()
	if err != nil && a.allowOther && strings.Contains(err.Error(), "user_allow_other") {
		err = ErrAllowOther
	}
	if err != nil {
		return -1, fmt.Errorf("%w on %s: %w", ErrCannotMount, a.dir, err)
	}
	return receiveFD(pair[0])
}

// escapeOption escapes what separates mount options.
func escapeOption(s string) string {
	return strings.NewReplacer(`\`, `\\`, `,`, `\,`).Replace(s)
}

func fusermountPath() (string, error) {
	for _, program := range []string{"fusermount3", "/bin/fusermount3", "fusermount", "/bin/fusermount"} {
		if path, err := exec.LookPath(program); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: only root can mount without it (it comes with the package fuse3)", ErrNoFusermount)
}

// runQuoting runs a command; the error quotes what it printed.
func runQuoting(cmd *exec.Cmd) error {
	var printed bytes.Buffer
	cmd.Stderr = &printed
	err := cmd.Run()
	if text := strings.TrimSpace(printed.String()); err != nil && text != "" {
		return errors.New(strings.ReplaceAll(text, "\n", "; "))
	}
	return err
}

// receiveFD receives a file descriptor over a socket.
func receiveFD(socket int) (int, error) {
	data, control := make([]byte, 16), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, data, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("recvmsg", err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return -1, errors.New("fusermount3 handed over no connection")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, errors.New("fusermount3 handed over no connection")
	}
	return fds[0], nil
}
