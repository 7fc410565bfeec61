package term

import (
	"context"
	"io"
	"strings"
	"time"
)

// HasTerminal reports whether somebody can be asked.
func HasTerminal() bool {
	t, err := openTerminal()
	if err != nil {
		return false
	}
	t.Close()
	return true
}

// Confirm asks a question on the terminal that is answered by yes or no, and
// reports whether it was yes: whatever else is typed is no. Asked is false when
// there is no terminal.
func Confirm(ctx context.Context, question string) (yes, asked bool, err error) {
	t, err := openTerminal()
	if err != nil {
		return false, false, nil
	}
	defer t.Close()
	stop := context.AfterFunc(ctx, func() { t.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := io.WriteString(t, question+" [y/N]: "); err != nil {
		return false, true, err
	}
	line, err := readLine(t)
	if ctx.Err() != nil {
		io.WriteString(t, "\n")
		return false, true, ctx.Err()
	}
	switch strings.ToLower(strings.TrimSpace(string(line))) {
	case "y", "yes":
		return err == nil, true, err
	}
	if err == errNotTyped {
		err = nil
	}
	return false, true, err
}
