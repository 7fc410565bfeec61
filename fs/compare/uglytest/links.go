package uglytest

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// symlinks makes symbolic links to anywhere and nowhere.
func (b *builder) symlinks() {
	b.dir("links")
	for name, target := range map[string]string{
		"to a file": "../names/-rf", "to a directory": "../names", "dangling": "no/where", "absolute": "/etc/passwd", "root": "/",
		"dot": ".", "dots": "..", "loop": "loop", "loop a": "loop b", "loop b": "loop a", "slash at the end": "../names/",
		"slashes": "//..///names//", "up and out": strings.Repeat("../", 100) + "etc", "not UTF-8": "\xff\xfe", "new line": "a\nb",
		"space": " ", "59": strings.Repeat("s", 59), "60": strings.Repeat("s", 60), "255": strings.Repeat("s", 255),
		"4094": strings.Repeat("l/", 2047), "4095": strings.Repeat("l/", 2047) + "l", "decomposed": "cafe\u0301", "proc": "/proc/self/exe",
	} {
		b.symlink("links/"+name, target)
	}
}

// hardLinks makes files with several names, in several directories.
func (b *builder) hardLinks() {
	for _, dir := range []string{"links/a", "links/b", "links/b/deeper", "links/z"} {
		b.dir(dir)
	}
	for i, size := range []int{0, 100, 5000, 3 << 20} {
		first := fmt.Sprintf("links/b/file %d", size)
		b.file(first, noise(fmt.Sprint("linked", i), size))
		b.chmod(first, 0o640)
		for _, dir := range []string{"links/a", "links/b/deeper", "links/z", "links"} {
			b.hardLink(first, fmt.Sprintf("%s/name of %d", dir, size))
		}
	}
	b.hardLink("holes/at the start", "links/a/sparse")
	b.hardLink("modes/file 0000", "links/a/without permissions")
	b.Unreadable = append(b.Unreadable, "links/a/without permissions")
	b.hardLink("modes/file 4755", "links/a/setuid")
	b.hardLink("links/dangling", "links/a/of a symlink")
	b.hardLink("links/dangling", "links/z/of a symlink")
	b.fifo("links/fifo")
	b.hardLink("links/fifo", "links/a/of a fifo")
	b.hardLink("links/fifo", "links/b/deeper/of a fifo")
	// The other name lies in a directory that is closed, and closed again.
	b.dir("links/closed")
	b.closeDir("links/closed", 0o555)
	b.hardLink("links/b/file 5000", "links/closed/name")
	b.hardLink("links/b/file 5000", "modes/dir 0555/name")
}

// special makes FIFOs, sockets and devices.
func (b *builder) special() {
	b.dir("special")
	b.fifo("special/fifo")
	if b.err == nil {
		b.check("special/socket", unix.Mknod(b.path("special/socket"), unix.S_IFSOCK|0o755, 0))
		b.Sockets = append(b.Sockets, "special/socket")
	}
	b.dir("special/empty")
	b.dir("special/only a socket")
	if b.err == nil {
		b.check("special/only a socket/s", unix.Mknod(b.path("special/only a socket/s"), unix.S_IFSOCK|0o600, 0))
		b.Sockets = append(b.Sockets, "special/only a socket/s")
	}
	for name, number := range map[string][2]uint32{"null": {1, 3}, "none": {0, 0}, "large": {4000, 1000000}, "largest": {1<<12 - 1, 1<<20 - 1}} {
		for kind, mode := range map[string]uint32{"char": unix.S_IFCHR, "block": unix.S_IFBLK} {
			// A character device 0:0 is overlayfs' whiteout; anyone may make it.
			path := "special/" + kind + " " + name
			if b.device(path, mode, number[0], number[1]) && name != "none" {
				b.chmod(path, 0o4620)
				b.hardLink(path, "links/a/"+kind+" "+name)
			}
		}
	}
}

// owners gives things to users with and without names.
func (b *builder) owners() {
	b.dir("owners")
	if b.err == nil && os.Geteuid() != 0 {
		b.Lacks = append(b.Lacks, "owners")
		return
	}
	for _, id := range [][2]int{{0, 0}, {1, 2}, {1234, 5678}, {0, 4294967294}, {4294967294, 0}, {3000000000, 2147483648}, {65534, 65534}, {99999, 1}} {
		suffix := fmt.Sprintf(" %d:%d", id[0], id[1])
		b.file("owners/file"+suffix, []byte("owned"))
		b.dir("owners/dir" + suffix)
		b.file("owners/dir"+suffix+"/file", []byte("owned"))
		b.symlink("owners/symlink"+suffix, "x")
		b.fifo("owners/fifo" + suffix)
		b.file("owners/setuid"+suffix, []byte("#!/bin/sh\n"))
		for _, kind := range []string{"file", "dir", "symlink", "fifo", "setuid"} {
			b.chown("owners/"+kind+suffix, id[0], id[1])
		}
		b.chmod("owners/setuid"+suffix, 0o6755) // chown takes it away
		b.closeDir("owners/dir"+suffix, 0o2700)
	}
}
