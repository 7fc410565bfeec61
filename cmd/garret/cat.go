package main

import (
	"context"
	"fmt"

	"garret/fs/tree"
)

type catCmd struct {
	Target string `arg:"" name:"SNAPSHOT:PATH" help:"The file to write to standard output."`
}

func (c *catCmd) Run(ctx context.Context, a *app) (err error) {
	o, err := a.openReader(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, o.close(ctx)) }()
	t, e, path, err := a.resolve(ctx, o, c.Target)
	if err != nil {
		return err
	}
	if e.Type != tree.Regular {
		return fmt.Errorf("%q is a %s, not a file", "/"+path, typeName(e.Type))
	}
	if _, err := t.Open(ctx, e).WriteTo(a.stdout); err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	return nil
}
