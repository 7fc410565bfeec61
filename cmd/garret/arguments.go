package main

import (
	"fmt"
	"reflect"

	"github.com/alecthomas/kong"
)

// rawStrings has the command line's strings taken as the bytes that they are:
// kong's own mapper passes them through JSON, which turns what is not UTF-8
// into U+FFFD, so that no such file could be named.
func rawStrings() kong.Option {
	return kong.KindMapper(reflect.String, kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
		t, err := ctx.Scan.PopValue("string")
		if err != nil {
			return err
		}
		s, ok := t.Value.(string)
		if !ok {
			return fmt.Errorf("expected a string, not %v", t.Value)
		}
		target.SetString(s)
		return nil
	}))
}
