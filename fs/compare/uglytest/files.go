package uglytest

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// names makes names of any bytes but NUL and the slash.
func (b *builder) names() {
	b.dir("names")
	for _, name := range []string{
		"\xff\xfe invalid", "cut \xe2\x82", "overlong \xc0\xaf", "surrogate \xed\xa0\x80", "\x80", "latin1 \xe9\xe8",
		"new\nline", "\n", "tab\tbell\a", "escape \x1b[31mred", "\x01", "\x7f", "carriage\rreturn",
		" ", " leading", "trailing ", "trailing.", "dots...", "...", ".hidden", "..x", "- dash", "-rf", "--help", "-",
		"*", "?", "[a-z]", "{a,b}", "$(reboot)", "`id`", "$HOME", "~", "name~", "'\"", "back\\slash", "\\", "a|b", "a;b", "a&b",
		"a:b", "a@b", "%s%n", "#comment", "!bang", "(x)", "<x>", "con", "NUL", "aux.txt", "COM1",
		"caf\u00e9", "cafe\u0301", "\u1e9b\u0323", "\u202etxt.exe", "\u200b", "\ufeffbom", "שלום", "مرحبا", "日本語", "Ａ", "ﬁ",
		"😀", "👩‍👩‍👧", "İ", "i", "I", "ı", "ß", "ẞ", "\u212a", "k", "K",
		strings.Repeat("n", 255), strings.Repeat("é", 127) + "x", strings.Repeat("\xff", 255), "é" + strings.Repeat("界", 84),
	} {
		b.file("names/"+name, []byte("named "+name))
	}
	b.dir("names/dir\xff\n")
	b.file("names/dir\xff\n/\xfe\t", nil)
	b.dir("names/" + strings.Repeat("d", 255))
	b.file("names/"+strings.Repeat("d", 255)+"/"+strings.Repeat("f", 255), nil)
}

// modes makes files and directories of all sorts of permissions.
func (b *builder) modes() {
	b.dir("modes")
	for _, mode := range []uint32{0, 0o1, 0o7, 0o40, 0o100, 0o111, 0o200, 0o222, 0o400, 0o444, 0o600, 0o666, 0o777,
		0o1644, 0o2755, 0o2644, 0o4755, 0o4644, 0o6711, 0o7777, 0o4000} {
		name := fmt.Sprintf("modes/file %04o", mode)
		b.file(name, []byte(name))
		b.chmod(name, mode)
		if mode&0o400 == 0 {
			b.Unreadable = append(b.Unreadable, name)
		}
	}
	for _, mode := range []uint32{0, 0o111, 0o222, 0o333, 0o444, 0o500, 0o555, 0o666, 0o777, 0o1777, 0o2755, 0o3770, 0o4755} {
		name := fmt.Sprintf("modes/dir %04o", mode)
		b.dir(name)
		b.closeDir(name, mode)
		b.file(name+"/file", []byte(name))
		b.dir(name + "/dir")
		b.file(name+"/dir/file", []byte(name))
		if mode&0o500 != 0o500 {
			b.Unreadable = append(b.Unreadable, name)
		}
	}
	b.fifo("modes/fifo 0000")
	b.chmod("modes/fifo 0000", 0)
	b.closeDir("modes", 0o555)
}

// instants makes times at the bounds of what file systems keep. What one
// cannot keep it moves to its own bounds.
func (b *builder) instants() {
	b.dir("times")
	for _, t := range []struct{ sec, nsec int64 }{
		{0, 0}, {0, 1}, {0, 999999999}, {-1, 0}, {-1, 999999999}, {-86400, 500000000}, {-2000000000, 1}, {-1 << 31, 0}, {-1<<31 - 1, 5},
		{1<<31 - 1, 999999999}, {1 << 31, 0}, {1<<32 - 1, 1}, {1 << 32, 0}, {5000000000, 123456789}, {9223372037, 0}, // 2262: int64 ns end
		{15032385535, 999999999}, {253402300799, 1}, {981173106, 100}, {981173106, 123000000},
	} {
		suffix := fmt.Sprintf(" %d.%09d", t.sec, t.nsec)
		b.file("times/file"+suffix, nil)
		b.dir("times/dir" + suffix)
		b.file("times/dir"+suffix+"/file", nil)
		b.symlink("times/symlink"+suffix, "x")
		b.fifo("times/fifo" + suffix)
		for _, kind := range []string{"file", "dir", "symlink", "fifo"} {
			b.at("times/"+kind+suffix, t.sec, t.nsec)
		}
	}
	b.at(".", 1500000000, 15)
}

// sizes makes files at the bounds of the ways in which content is kept: inline
// up to 128 bytes, chunks of 128 KiB to 2 MiB, frames of 512 KiB to 1 MiB.
func (b *builder) sizes() {
	const kib = 1 << 10
	b.dir("sizes")
	for _, size := range []int{0, 1, 127, 128, 129, 511, 512, 4095, 4096, 4097, 65535, 65536, 128*kib - 1, 128 * kib, 128*kib + 1,
		512*kib - 1, 512*kib + 1, 1024*kib - 1, 1024 * kib, 1024*kib + 1, 2048*kib - 1, 2048 * kib, 2048*kib + 1, 5<<20 + 3} {
		b.file(fmt.Sprintf("sizes/noise %d", size), noise(fmt.Sprint(size), size))
	}
	b.file("sizes/same again", noise("1048577", 1024*kib+1))
	b.file("sizes/zeros", make([]byte, 4096*kib+1))
	b.file("sizes/one byte of many", append(make([]byte, 2048*kib-1), 1))
	b.file("sizes/text", bytes.Repeat([]byte("It was a dark and stormy night.\n"), 10000))
	b.file("sizes/short period", bytes.Repeat([]byte("ab"), 1500*kib))
}

// holes makes sparse files. Edges, but for the end, are where file systems with
// blocks of 4 KiB can have them.
func (b *builder) holes() {
	const kib, block = 1 << 10, 4 << 10
	b.dir("holes")
	sparse := func(name string, size int64, islands ...int64) {
		if b.err != nil {
			return
		}
		b.Entries++
		f, err := os.OpenFile(b.path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if !b.check(name, err) {
			return
		}
		defer f.Close()
		b.check(name, f.Truncate(size))
		for _, at := range islands {
			_, err := f.WriteAt(noise(fmt.Sprint(name, at), int(min(block, size-at))), at)
			b.check(name, err)
		}
		b.check(name, f.Sync()) // so that what is allocated is known
	}
	sparse("holes/at the start", 64*kib, 60*kib)
	sparse("holes/at the end", 64*kib, 0)
	sparse("holes/in the middle", 64*kib, 0, 60*kib)
	sparse("holes/both ends", 64*kib, 32*kib)
	sparse("holes/nothing else", 64*kib)
	sparse("holes/one block", block)
	sparse("holes/odd size", 100001)
	sparse("holes/odd end", 100001, 96*kib)
	sparse("holes/large", 64<<20, 32<<20)
	sparse("holes/4 GiB and a byte", 4<<30+1, 0, 4<<30)
	var islands []int64
	for at := int64(0); at < 1<<20; at += 2 * block {
		islands = append(islands, at)
	}
	sparse("holes/every second block", 1<<20, islands...)
	// More than 4 TiB, and at a place that no 32 bits of blocks reach.
	const huge = "holes/5 TiB"
	b.Huge = append(b.Huge, huge, "holes/4 GiB and a byte")
	sparse(huge, 5<<40+12345, 0, 4<<40, 4<<40+block, 5<<40)

	// Zeros that were written are data. Blocks that were allocated and never
	// written are a hole to those who ask for them.
	b.file("holes/written zeros", make([]byte, 256*kib))
	b.file("holes/allocated", nil)
	if b.err == nil {
		f, err := os.OpenFile(b.path("holes/allocated"), os.O_RDWR, 0)
		if b.check("holes/allocated", err) {
			b.may("allocation", "holes/allocated", unix.Fallocate(int(f.Fd()), 0, 0, 256*kib))
			b.check("holes/allocated", f.Close())
		}
	}
}

// many makes a large directory.
func (b *builder) many() {
	b.dir("many")
	for i := range b.entries {
		name := fmt.Sprintf("many/entry %05d with a name of some length", i*7919%Many)
		switch i % 100 {
		case 0:
			b.symlink(name, fmt.Sprint("target ", i))
		case 1:
			b.dir(name)
		case 2:
			b.file(name, noise(name, 1000))
		case 3:
			b.hardLink("names/-rf", name)
		default:
			b.file(name, []byte(name)[:i%48])
		}
	}
}

// deep makes directories one in another until their path is longer than any
// system call takes, with something at the bottom.
func (b *builder) deep() {
	const levels = 320
	b.dir("deep")
	at, err := openDir(unix.AT_FDCWD, b.path("deep"))
	if !b.check("deep", err) {
		return
	}
	path := "deep"
	for level := range levels {
		name := fmt.Sprintf("level %03d of many", level)
		err := unix.Mkdirat(at, name, 0o755)
		if err == nil && level%50 == 0 {
			b.Entries++
			err = unix.Symlinkat("."+strings.Repeat("/..", level), at, "up")
		}
		below := -1
		if err == nil {
			b.Entries++
			below, err = openDir(at, name)
		}
		unix.Close(at)
		if !b.check(name, err) {
			return
		}
		at = below
		if path += "/" + name; len(path) < 3000 {
			b.TooDeep = path
		}
	}
	defer unix.Close(at)
	fd, err := unix.Openat(at, "at the bottom", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if b.check("at the bottom", err) {
		b.Entries++
		_, err = unix.Write(fd, noise("bottom", 5000))
		b.check("at the bottom", err)
		b.may("user xattrs", "at the bottom", unix.Fsetxattr(fd, "user.deep", []byte("attribute"), 0))
		unix.Close(fd)
	}
}
