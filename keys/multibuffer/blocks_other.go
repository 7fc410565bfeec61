//go:build !amd64 || purego

package multibuffer

// available is a variable for the tests' sake.
var available = false

func blocks(_, _ *state, _, _ *byte, _ int) { panic("not available") }
