//go:build !purego

package multibuffer

import "golang.org/x/sys/cpu"

// available reports whether the processor has the SHA extensions, and what else
// blocks uses.
var available = cpu.X86.HasSSSE3 && cpu.X86.HasSSE41 && hasSHA()

func hasSHA() bool

// blocks hashes n blocks, at least one, from p into a and as many from q into b.
//
//go:noescape
func blocks(a, b *state, p, q *byte, n int)
