package cache

import (
	"io"
	"os"
	"path/filepath"
)

// recordsFile keeps what was read of the snapshots' records.
const recordsFile = "records"

// maxRecords bounds that file, bytes: some 100,000 snapshots.
const maxRecords = 128 << 20

// Records returns what SetRecords kept, or nil.
func (c *Cache) Records() []byte {
	if c.dir == "" {
		return nil
	}
	f, err := os.Open(filepath.Join(c.dir, recordsFile))
	if err != nil {
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRecords+1))
	if err != nil || len(data) > maxRecords {
		return nil
	}
	return data
}

// SetRecords keeps data, whole or not at all.
func (c *Cache) SetRecords(data []byte) error {
	if c.dir == "" || len(data) > maxRecords {
		return nil
	}
	f, _, err := c.addFile(c.dir, recordsFile, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return err
	}
	return f.Close()
}
