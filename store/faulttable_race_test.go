//go:build race

package store

func init() { faultShare = 8 }
