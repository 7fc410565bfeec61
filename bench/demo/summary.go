package main

import (
	"fmt"
	"time"
)

// summary says in plain words what came out.
func (d *demo) summary() {
	fmt.Printf(`
What has happened:

  %s's source, %d files of %s, became a repository of %s in %s:
  compressed, deduplicated, encrypted.
`, d.goVersion, d.compared.Files, megabytes(int64(d.compared.Bytes)), megabytes(d.repo[0]), seconds(d.took[0]))
	if d.noFUSE == nil {
		fmt.Printf(`  It was mounted in %s (the passphrase's check is slow on purpose).
  Every byte and attribute read through the mount was the same as the original; reading
  and comparing all of it took %s.
`, seconds(d.mounting), seconds(d.comparing))
	} else {
		fmt.Printf(`  There is no mount here (%v), so it was restored, in %s. Every byte and
  attribute was the same as the original.
`, d.noFUSE, seconds(d.restoring))
	}
	fmt.Printf(`  One line more, a new name for a directory of %d entries, and a new file of %s:
  the second snapshot took %s and made the repository %s larger.
  With no change at all, a snapshot took %s and cost %s.
  The second shows what there was then, and the first what there was before.
  All that is stored was read and verified in %s.
`, d.renamedEntries, megabytes(addedBytes), seconds(d.took[1]), megabytes(d.repo[1]-d.repo[0]),
		seconds(d.took[2]), megabytes(d.repo[2]-d.repo[1]), seconds(d.verifying))
}

// megabytes writes a number of bytes for people, in powers of ten.
func megabytes(n int64) string {
	switch {
	case n < 100_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
