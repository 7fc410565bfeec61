package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// uglyTree makes the tree that the frozen repository holds: small, and with an
// example of each thing. Device nodes are made when allowed. The larger one that
// commands are tried on is package uglytest's.
func uglyTree(t testing.TB, root string, devices bool) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	path := func(name string) string { return filepath.Join(root, name) }
	write := func(name string, data []byte, mode os.FileMode) {
		t.Helper()
		check(os.WriteFile(path(name), data, 0o600))
		check(os.Chmod(path(name), mode))
	}
	for _, dir := range []string{"dir", "dir/below", "empty", "sticky"} {
		check(os.Mkdir(path(dir), 0o755))
	}
	check(os.Chmod(path("sticky"), 0o777|os.ModeSticky|os.ModeSetgid))

	write("empty file", nil, 0o644)
	write("one byte", []byte{0}, 0o400)
	write("text", []byte(strings.Repeat("It was a dark and stormy night.\n", 300)), 0o644)
	write("setuid", []byte("#!/bin/sh\n"), 0o755|os.ModeSetuid)
	write("setgid", []byte("#!/bin/sh\n"), 0o755|os.ModeSetgid)
	write("chunks", letters16(100<<10), 0o640)
	write("program", machineCode(40<<10), 0o755)
	write("zeros", make([]byte, 50<<10), 0o644)

	// Names: any byte but NUL and the slash.
	for _, name := range []string{
		"\xff\xfe invalid", "new\nline", "tab\tbell\a", " leading", "trailing ", "-rf", "*", "$(reboot)", "'\"\\",
		"caf\u00e9", "cafe\u0301", "\u202etxt.exe", "name~", ".hidden", "...", "Ａ", strings.Repeat("n", 255),
	} {
		write("dir/"+name, []byte("named "+name), 0o644)
	}
	write("dir/below/deep", []byte("deep"), 0o644)

	// Links: hard ones in two directories, symbolic ones to anywhere.
	check(os.Link(path("chunks"), path("dir/hard link")))
	check(os.Link(path("chunks"), path("zz hard link")))
	check(os.Link(path("empty file"), path("empty hard link")))
	check(os.Symlink("dir/below/deep", path("symlink")))
	check(os.Symlink("/nowhere\n\xff", path("dangling")))
	check(os.Symlink("loop", path("loop")))
	check(os.Symlink(strings.Repeat("x/", 2000), path("long")))
	check(os.Link(path("dangling"), path("hard link of a symlink")))
	check(unix.Mkfifo(path("fifo"), 0o640))
	check(os.Link(path("fifo"), path("hard link of a fifo")))

	sparse, err := os.Create(path("sparse"))
	check(err)
	check(sparse.Truncate(64 << 20))
	_, err = sparse.WriteAt([]byte("an island"), 32<<20)
	check(err)
	check(sparse.Close())

	attribute(t, path("text"), "user.comment", []byte("bytes \x00\xff"))
	attribute(t, path("text"), "user.empty", nil)
	attribute(t, path("dir"), "user.large", bytes.Repeat([]byte("v"), 2000))
	if os.Geteuid() == 0 { // others could not read them again
		write("no permission", []byte("secret"), 0)
		check(os.Mkdir(path("no entry"), 0))
		attribute(t, path("symlink"), "trusted.link", []byte("of a symlink"))
		check(os.Lchown(path("text"), 1234, 5678))
		check(os.Lchown(path("symlink"), 4294967294, 65534))
		check(os.Lchown(path("dir"), 0, 12))
	}
	if devices {
		check(unix.Mknod(path("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
		check(unix.Mknod(path("large numbers"), unix.S_IFBLK|0o600, int(unix.Mkdev(4000, 1000000))))
	}

	// Times at last: what is made in a directory changes the directory's.
	for name, ts := range map[string]unix.Timespec{
		"empty file": {Sec: 0, Nsec: 0},
		"one byte":   {Sec: -1, Nsec: 999999999},
		"text":       {Sec: -2000000000, Nsec: 1},        // 1906
		"setuid":     {Sec: 1 << 31, Nsec: 0},            // 2038
		"chunks":     {Sec: 5000000000, Nsec: 123456789}, // 2128
		"symlink":    {Sec: 4102444800, Nsec: 5},         // 2100
		"fifo":       {Sec: 981173106, Nsec: 789},
		"empty":      {Sec: -86400, Nsec: 500000000},
		"dir":        {Sec: 1234567890, Nsec: 987654321},
		".":          {Sec: 1500000000, Nsec: 15},
	} {
		check(unix.UtimesNanoAt(unix.AT_FDCWD, path(name), []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW))
	}
}

// makeDevices reports whether the user may make device nodes in dir.
func makeDevices(dir string) bool {
	probe := filepath.Join(dir, "probe")
	defer os.Remove(probe)
	return unix.Mknod(probe, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))) == nil
}

// attribute sets an extended attribute, if the file system keeps such.
func attribute(t testing.TB, path, name string, value []byte) {
	t.Helper()
	err := unix.Lsetxattr(path, name, value, 0)
	if err != nil && !errors.Is(err, unix.ENOTSUP) {
		t.Fatalf("%s of %q: %v", name, path, err)
	}
}

// letters16 returns n bytes, of 16 letters, that compress a little and do not repeat.
func letters16(n int) []byte {
	b := make([]byte, 0, n+8)
	for x := uint64(1); len(b) < n; x = x*6364136223846793005 + 1442695040888963407 {
		for shift := 0; shift < 40; shift += 5 {
			b = append(b, 'a'+byte(x>>(24+shift)&15))
		}
	}
	return b[:n]
}

// machineCode makes n bytes that are taken for a program and its machine code.
func machineCode(n int) []byte {
	code := []byte("\x7fELF\x02\x01\x01")
	for i := 0; len(code) < n; i++ {
		code = append(code, "\x48\x8b\x44\x24\x18\x90\xe8"...)
		code = binary.LittleEndian.AppendUint32(code, uint32(i*i%16*1000-len(code)))
	}
	return code[:n]
}
