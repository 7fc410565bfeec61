package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A check that is limited in time goes on where it ended: this says when the
// data of each pack was verified last. It is a hint, safe to delete: without it
// a check begins anew.
//
//	 0  16  magic "garret-verified" and the version, 1
//	16  24  for each pack, in the order of ids: id 16, seconds since 1970 u64
//	end  4  CRC32C of all before it
//
// Integers are little-endian.

const (
	verifiedDir    = "verified"
	verifiedMagic  = "garret-verified\x01"
	verifiedRecord = 16 + 8
	maxVerified    = 1 << 30 // bytes
)

// ErrNoCache means that nothing can be kept.
var ErrNoCache = errors.New("no cache can be written")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Verified returns when each pack was verified last in a mode of checking.
// What cannot be read is as if it was not there.
func (c *Cache) Verified(mode string) map[[16]byte]time.Time {
	last := make(map[[16]byte]time.Time)
	if c.dir == "" {
		return last
	}
	f, err := os.Open(filepath.Join(c.dir, verifiedDir, mode))
	if err != nil {
		return last
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxVerified))
	body := len(data) - crc32.Size
	if err != nil || body < len(verifiedMagic) || (body-len(verifiedMagic))%verifiedRecord != 0 ||
		string(data[:len(verifiedMagic)]) != verifiedMagic ||
		crc32.Checksum(data[:body], castagnoli) != binary.LittleEndian.Uint32(data[body:]) {
		return last
	}
	for record := range slices.Chunk(data[len(verifiedMagic):body], verifiedRecord) {
		last[[16]byte(record)] = time.Unix(int64(binary.LittleEndian.Uint64(record[16:])), 0)
	}
	return last
}

// KeepVerified replaces what Verified returns. ErrNoCache is the error where
// there is no folder for it.
func (c *Cache) KeepVerified(mode string, last map[[16]byte]time.Time) error {
	if c.dir == "" {
		return ErrNoCache
	}
	ids := make([][16]byte, 0, len(last))
	for id := range last {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b [16]byte) int { return slices.Compare(a[:], b[:]) })
	data := []byte(verifiedMagic)
	for _, id := range ids {
		data = append(data, id[:]...)
		data = binary.LittleEndian.AppendUint64(data, uint64(last[id].Unix()))
	}
	data = binary.LittleEndian.AppendUint32(data, crc32.Checksum(data, castagnoli))
	if err := c.replace(filepath.Join(c.dir, verifiedDir), mode, data); err != nil {
		return fmt.Errorf("%w: %w", ErrNoCache, err)
	}
	return nil
}

// replace puts a file in the place of another. It does not sync: what a crash
// spoils is found by its CRC.
func (c *Cache) replace(dir, name string, data []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, tempPrefix+"*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
