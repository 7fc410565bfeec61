// Package files has what is measured with, and says how much it is.
package files

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// linuxArchive is what Debian's package linux-source-6.1 installs.
const linuxArchive = "/usr/src/linux-source-6.1.tar.xz"

// UnpackLinux unpacks Debian's source of Linux 6.1 into a directory that there is.
// The error wraps fs.ErrNotExist if the package is not installed.
func UnpackLinux(ctx context.Context, dir string) error {
	if _, err := os.Stat(linuxArchive); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "tar", "xf", linuxArchive, "-C", dir, "--strip-components=1").CombinedOutput()
	if err != nil {
		return fmt.Errorf("unpack %s: %w: %s", linuxArchive, err, out)
	}
	return nil
}

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
