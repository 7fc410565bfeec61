package main

import (
	"fmt"

	"garret/cmd/garret/internal/term"
	"garret/store/cache"
)

type cacheCmd struct {
	Clear bool `help:"Remove the caches of all repositories, or with -r of that one. They are made anew when needed."`
	JSON  bool `name:"json" help:"Print one JSON object a line."`
}

func (c *cacheCmd) Run(a *app) error {
	infos, err := cache.List()
	if err != nil {
		return err
	}
	only := ""
	if a.repo != "" {
		b, err := a.backend()
		if err != nil {
			return err
		}
		only = b.Location()
		b.Close()
	}
	table := term.NewTable("SIZE", "FILES", "USED", "REPOSITORY", "PATH")
	for _, i := range infos {
		if only != "" && i.Location != only {
			continue
		}
		if c.Clear {
			if err := i.Clear(); err != nil {
				return err
			}
			fmt.Fprintf(a.stderr, "garret: removed %s of %s\n", term.Size(uint64(i.Bytes)), i.Path)
			continue
		}
		if c.JSON {
			if err := printJSON(a.stdout, i); err != nil {
				return err
			}
			continue
		}
		table.Row(term.Size(uint64(i.Bytes)), fmt.Sprint(i.Files), i.Used.Local().Format("2006-01-02 15:04:05"), term.Name(i.Location), term.Name(i.Path))
	}
	if c.Clear || c.JSON || len(infos) == 0 {
		return nil
	}
	return writeTable(a.stdout, table)
}
