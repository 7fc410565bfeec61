package cache

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Many small segments make every look-up slow. So several are kept merged into
// one file, merged/<name>, beside which merged/<name>.of says which they are:
//
//	 0  16  magic "garret-merged" and the version, 1, and zeros
//	16  16  id of each segment
//	end  4  CRC32C of all before it, little-endian
//
// The data is durable before the list is there; without its list it is nothing.

const (
	mergedDir   = "merged"
	mergedList  = ".of"
	mergedMagic = "garret-merged\x01\x00\x00"
	maxMerged   = 64 << 20 // bytes of a list
)

// Merged is a file that holds the rows of several segments.
type Merged struct {
	Path string
	IDs  [][16]byte // of the segments
	Size int64      // of the file, bytes

	name string
}

// Merged lists the merged files.
func (c *Cache) Merged() []Merged {
	if c.dir == "" {
		return nil
	}
	dir := filepath.Join(c.dir, mergedDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var all []Merged
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), mergedList)
		if !ok {
			// Of an interrupted process, if it is old and nothing lists it.
			path := filepath.Join(dir, e.Name())
			if _, err := os.Stat(path + mergedList); err != nil && isOld(e) {
				_ = os.Remove(path)
			}
			continue
		}
		m := Merged{Path: filepath.Join(dir, name), name: name}
		info, err := os.Stat(m.Path)
		if err == nil {
			m.Size = info.Size()
			m.IDs, err = readMergedList(m.Path + mergedList)
		}
		if err != nil {
			c.RemoveMerged(m)
			continue
		}
		all = append(all, m)
	}
	return all
}

var errMergedList = errors.New("not a list of merged segments")

func readMergedList(path string) ([][16]byte, error) {
	info, err := os.Stat(path)
	if err != nil || info.Size() > maxMerged {
		return nil, errors.Join(err, errMergedList)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	end := len(data) - 4
	if end < len(mergedMagic) || string(data[:len(mergedMagic)]) != mergedMagic || end%16 != 0 ||
		crc32.Checksum(data[:end], castagnoli) != binary.LittleEndian.Uint32(data[end:]) {
		return nil, errMergedList
	}
	var ids [][16]byte
	for at := len(mergedMagic); at < end; at += 16 {
		ids = append(ids, [16]byte(data[at:]))
	}
	return ids, nil
}

// AddMerged keeps what write produces as the segments ids in one. Without a
// cache folder it is an error.
func (c *Cache) AddMerged(ids [][16]byte, write func(io.Writer) error) error {
	if c.dir == "" {
		return os.ErrNotExist
	}
	dir := filepath.Join(c.dir, mergedDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var random [16]byte
	rand.Read(random[:])
	name := hex.EncodeToString(random[:])
	data, _, err := c.addFile(dir, name, write)
	if err != nil {
		return err
	}
	list := []byte(mergedMagic)
	for _, id := range ids {
		list = append(list, id[:]...)
	}
	list = binary.LittleEndian.AppendUint32(list, crc32.Checksum(list, castagnoli))
	f, _, err := c.addFile(dir, name+mergedList, func(w io.Writer) error {
		_, err := w.Write(list)
		return err
	})
	if err != nil {
		c.RemoveMerged(Merged{name: name})
		return errors.Join(err, data.Close())
	}
	return errors.Join(data.Close(), f.Close())
}

// RemoveMerged forgets a merged file: first what makes it one.
func (c *Cache) RemoveMerged(m Merged) {
	if c.dir == "" {
		return
	}
	path := filepath.Join(c.dir, mergedDir, m.name)
	_ = os.Remove(path + mergedList)
	_ = os.Remove(path)
}
