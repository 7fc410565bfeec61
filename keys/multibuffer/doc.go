// Package multibuffer computes the HMAC-SHA-256 (RFC 2104, FIPS 180-4) of
// several messages at once.
//
// A round of SHA-256 waits for the one before it. The SHA extensions of x86
// processors take four cycles for two rounds, but can begin the next two
// after two cycles: so a second message, whose rounds depend on nothing of the
// first, is hashed in the time in between. Both together take as long as one
// alone (Gulley and Gopal, "Processing Multiple Buffers in Parallel to Increase
// Performance on Intel Architecture Processors", 2010).
//
// Where the processor has no such extensions, or is of another kind, messages
// are hashed one after another by the standard library.
package multibuffer
