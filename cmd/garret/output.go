package main

import (
	"bufio"
	"encoding/json"
	"io"

	"garret/cmd/garret/internal/term"
)

// newListing buffers a long list.
func newListing(w io.Writer) *bufio.Writer { return bufio.NewWriterSize(w, 64<<10) }

// printJSON prints one value on one line.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// firstError returns the first of the errors that is one.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func writeTable(w io.Writer, t *term.Table) error {
	_, err := t.WriteTo(w)
	return err
}
