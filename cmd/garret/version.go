package main

import (
	"fmt"
	"runtime"

	"garret/store"
)

type versionCmd struct {
	JSON bool `name:"json" help:"Print one JSON object."`
}

func (c *versionCmd) Run(a *app) error {
	if c.JSON {
		return printJSON(a.stdout, map[string]string{"program": store.Program(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
	}
	_, err := fmt.Fprintf(a.stdout, "%s (%s, %s/%s)\n", store.Program(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
