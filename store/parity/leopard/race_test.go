//go:build race

package leopard

func init() { racing = true }
