// Package speed measures what a machine and a place for a repository can do, for
// `garret benchmark`: each stage that bytes go through on their way into a
// repository and out of it, alone, by one thread and by all; and the operations
// of a backend, one at a time, with their latencies.
//
//	writing  cut into chunks → HMAC of each → frame: compress → encrypt → CRC, parity
//	reading  decrypt → decompress → HMAC of each chunk
//
// The stages are garret's own packages, in the sizes that a new repository has.
// Whoever sums up a stage's time for each byte knows where the time of a
// snapshot or restore goes, and whether the disk, the network or the processor
// bounds it.
//
// The bytes are a [Sample]: of files that the user names, since how fast and how
// small something compresses depends on it, or made up.
package speed
