package mount

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mountPoint is a row of /proc/self/mountinfo (proc(5)).
type mountPoint struct {
	id     int
	device string // major:minor
	path   string
	fsType string
}

// ours reports whether a garret is mounted there.
func (m mountPoint) ours() bool { return m.fsType == fsType }

// mountAt returns the mount that a path leads into, and whether the path is
// its mount point. It does not touch the mounted file system, which may be dead.
func mountAt(path string) (m mountPoint, isRoot bool, err error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return m, false, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	id, err := mountID(fd)
	if err != nil {
		return m, false, err
	}
	real, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return m, false, err
	}
	m, err = findMount(id)
	return m, err == nil && m.path == real, err
}

// mountID reads the mount's number from fdinfo, which every kernel that Go
// runs on has.
func mountID(fd int) (int, error) {
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(info)) {
		if value, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			return strconv.Atoi(strings.TrimSpace(value))
		}
	}
	return 0, errors.New("/proc/self/fdinfo does not tell the mount")
}

func findMount(id int) (mountPoint, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return mountPoint{}, err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if m, ok := parseMount(lines.Text()); ok && m.id == id {
			return m, nil
		}
	}
	return mountPoint{}, fmt.Errorf("/proc/self/mountinfo does not list mount %d", id)
}

// parseMount reads a row: id, parent, device, root, mount point, options,
// optional fields, a dash, file system type, source, more options.
func parseMount(line string) (m mountPoint, ok bool) {
	head, tail, ok := strings.Cut(line, " - ")
	fields, rest := strings.Fields(head), strings.Fields(tail)
	if !ok || len(fields) < 6 || len(rest) < 1 {
		return m, false
	}
	id, err := strconv.Atoi(fields[0])
	return mountPoint{id, fields[2], unescapeMount(fields[4]), rest[0]}, err == nil
}

// unescapeMount undoes the octal escapes of space, tab, newline and backslash.
func unescapeMount(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
