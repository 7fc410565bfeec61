// Package memory makes memory equally fast for all that is measured.
//
// A virtual machine may give memory that is free back to its host within seconds
// (free page reporting), and touching it again then takes ten times as long. What
// is measured after a pause, or needs more than what ran before, would pay for it.
package memory

import (
	"fmt"
	"os"
)

// Touch has the machine hold so many bytes of free memory, by filling a file in
// dir, which is on a tmpfs, and removing it.
func Touch(dir string, bytes int64) error {
	f, err := os.CreateTemp(dir, "touched-")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	zeros := make([]byte, 1<<20)
	for left := bytes; left > 0; left -= int64(len(zeros)) {
		if _, err := f.Write(zeros); err != nil {
			return fmt.Errorf("touching %d bytes of memory: %w", bytes, err)
		}
	}
	return nil
}
