// Package files says how much there is in a directory.
package files

import (
	"io/fs"
	"path/filepath"
)

// Count returns the bytes and the number of the regular files below a directory.
func Count(dir string) (bytes, number int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += info.Size()
			number++
		}
		return err
	})
	return bytes, number, err
}
