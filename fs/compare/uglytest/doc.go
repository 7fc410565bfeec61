// Package uglytest makes the tree that a backup has to bring back: an example
// of everything that a Linux file system holds and that programs get wrong.
// Tests take it through a mount, a restore, an export, a copy of a repository,
// and compare what comes out (package compare).
//
//	names/     bytes that are not text, and text that shells and terminals trip over
//	modes/     every kind of permission, up to none at all
//	times/     before 1970, after 2038, to the nanosecond
//	sizes/     at the bounds of what is stored inline, of a chunk, of a frame
//	holes/     at the start, in the middle, at the end, nothing else, 5 TiB
//	links/     symbolic ones to anywhere; hard ones of all types, across directories
//	special/   FIFOs, devices, sockets
//	xattrs/    user.*, trusted.*, security.*, ACLs, capabilities; empty, binary, large
//	owners/    with and without names
//	flags/     append-only, immutable, nodump, nocow, and some more
//	many/      20,000 entries
//	deep/      320 directories one in another, a path longer than PATH_MAX
//
// The same tree comes out each time, but for what Tree.Lacks says: what the
// user may not make (an ordinary one makes no devices and gives nothing away),
// or what the file system does not keep.
package uglytest
