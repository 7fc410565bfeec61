//go:build !purego

package multibuffer

// available reports whether the processor has the SHA extensions. All that have
// them have SSSE3 and SSE4.1, which blocks uses too.
var available = hasSHA()

func hasSHA() bool

// blocks hashes n blocks, at least one, from p into a and as many from q into b.
//
//go:noescape
func blocks(a, b *state, p, q *byte, n int)
