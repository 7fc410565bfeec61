package term

import (
	"bufio"
	"io"
	"strings"

	"github.com/rivo/uniseg"
)

// Table collects rows and writes them with their columns aligned, by what a
// terminal shows and not by bytes. It is for listings that fit in memory, not
// for the files of a snapshot.
type Table struct {
	right []bool
	rows  [][]string
}

// NewTable returns a table with a line of titles. Columns whose title begins
// with ">" are aligned on the right, as numbers should be; the sign is not
// shown.
func NewTable(titles ...string) *Table {
	t := &Table{right: make([]bool, len(titles))}
	for i, title := range titles {
		titles[i], t.right[i] = strings.CutPrefix(title, ">")
	}
	t.Row(titles...)
	return t
}

// Row adds a line. Cells hold what may be shown: see Name.
func (t *Table) Row(cells ...string) { t.rows = append(t.rows, cells) }

// WriteTo writes all lines, two spaces between columns and none at the end.
func (t *Table) WriteTo(w io.Writer) (int64, error) {
	widths := make([]int, len(t.right))
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], uniseg.StringWidth(cell))
		}
	}
	out := bufio.NewWriter(w)
	n := int64(0)
	for _, row := range t.rows {
		line := ""
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-uniseg.StringWidth(cell))
			if t.right[i] {
				line += pad + cell + "  "
			} else {
				line += cell + pad + "  "
			}
		}
		m, err := out.WriteString(strings.TrimRight(line, " ") + "\n")
		if n += int64(m); err != nil {
			return n, err
		}
	}
	return n, out.Flush()
}
