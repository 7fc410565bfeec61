package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"garret/fs/snapshot"
)

// byteSize is a number of bytes on the command line.
type byteSize uint64

// UnmarshalText parses "4096", "10K", "1.5M", "2GiB", "1T": powers of 1024.
func (b *byteSize) UnmarshalText(text []byte) error {
	digits := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(string(text)), "B"), "I")
	factor := 1.0
	if i := strings.IndexAny(digits, "KMGTPE"); i >= 0 && i == len(digits)-1 {
		factor = math.Pow(1024, float64(1+strings.IndexByte("KMGTPE", digits[i])))
		digits = digits[:i]
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || strings.Trim(digits, "0123456789.") != "" || n*factor < 1 || n*factor >= math.MaxInt64 {
		return fmt.Errorf("%q is not a size such as 4096, 10K, 1.5M, 2G or 1T", text)
	}
	*b = byteSize(n * factor)
	return nil
}

// changeDetection is snapshot.Detection on the command line.
type changeDetection snapshot.Detection

var changeDetections = map[string]snapshot.Detection{
	"ctime,size,inode": snapshot.CtimeSizeInode, "mtime,size,inode": snapshot.MtimeSizeInode, "mtime,size": snapshot.MtimeSize,
	"always-read": snapshot.AlwaysRead, "rechunk": snapshot.Rechunk,
}

// UnmarshalText takes the words of a mode in any order.
func (d *changeDetection) UnmarshalText(text []byte) error {
	words := strings.Split(string(text), ",")
	slices.Sort(words)
	for name, detection := range changeDetections {
		known := strings.Split(name, ",")
		slices.Sort(known)
		if slices.Equal(words, known) {
			*d = changeDetection(detection)
			return nil
		}
	}
	return fmt.Errorf("%q is none of ctime,size,inode; mtime,size,inode; mtime,size; always-read; rechunk", text)
}

// letters are statuses of --list. None means all.
type letters string

const allLetters = "AMUCEdshfbcix-"

func (l *letters) UnmarshalText(text []byte) error {
	if i := strings.IndexFunc(string(text), func(r rune) bool { return !strings.ContainsRune(allLetters, r) }); i >= 0 || len(text) == 0 {
		return fmt.Errorf("%q: the letters are %s", text, allLetters)
	}
	*l = letters(text)
	return nil
}

func (l letters) has(status byte) bool { return l == "" || strings.IndexByte(string(l), status) >= 0 }
