package main

import (
	"garret/fs/mount"
)

type umountCmd struct {
	Dir  string `arg:"" name:"DIR" help:"Where it is mounted."`
	Lazy bool   `short:"l" help:"Even while it is in use: it disappears now, and ends when nobody uses it any more."`
}

func (c *umountCmd) Run() error { return mount.Unmount(c.Dir, c.Lazy) }
