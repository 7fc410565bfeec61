package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"garret/store"
)

// readData is the value of --read-data: not given, all of the data, or a part
// of it.
type readData struct {
	on   bool
	part store.Part
}

// IsBool lets the flag stand without a value (kong.BoolMapperValue).
func (r *readData) IsBool() bool { return true }

// Decode reads "5%" or "2/7" after an equals sign.
func (r *readData) Decode(ctx *kong.DecodeContext) error {
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		r.on = true
		return nil
	}
	text := ctx.Scan.Pop().String()
	if text == "false" {
		*r = readData{}
		return nil
	}
	r.on = true
	if text == "true" {
		return nil
	}
	var err error
	r.part, err = parsePart(text)
	return err
}

// parsePart reads a percentage, as a sample, or N/M, the N-th of M parts.
func parsePart(text string) (store.Part, error) {
	wrong := fmt.Errorf("%q is neither a share of the data, such as 5%%, nor one of several parts, such as 2/7", text)
	if share, ok := strings.CutSuffix(text, "%"); ok {
		f, err := strconv.ParseFloat(share, 64)
		if err != nil || !(f > 0 && f <= 100) {
			return store.Part{}, wrong
		}
		if f == 100 {
			return store.Part{}, nil
		}
		return store.Part{Share: f / 100}, nil
	}
	number, of, ok := strings.Cut(text, "/")
	n, err := strconv.Atoi(number)
	m, err2 := strconv.Atoi(of)
	if !ok || err != nil || err2 != nil || n < 1 || n > m {
		return store.Part{}, wrong
	}
	return store.Part{Number: n, Of: m}, nil
}
