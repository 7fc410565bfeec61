package multibuffer

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

const (
	blockSize = sha256.BlockSize
	// padding is the least that follows a message in its last block: a one bit,
	// in a byte, and its length in bits, in eight.
	padding = 1 + 8
)

// state is a SHA-256 hash value between two blocks.
type state [8]uint32

// initial is the hash value before the first block.
var initial = state{
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
}

// MAC computes HMACs under one key. It is not for concurrent use.
type MAC struct {
	one          hash.Hash
	sum          [sha256.Size]byte // of one; a local array would be allocated
	inner, outer state             // after the key's block
	lanes        [2]lane
	idle         state // of the lane that has no message
}

// New returns a MAC for a key.
func New(key *[32]byte) *MAC {
	m := &MAC{one: hmac.New(sha256.New, key[:]), inner: initial, outer: initial}
	if !available {
		return m
	}
	var ipad, opad [blockSize]byte
	for i := range blockSize {
		ipad[i], opad[i] = 0x36, 0x5c
	}
	for i, k := range key {
		ipad[i] ^= k
		opad[i] ^= k
	}
	blocks(&m.inner, &m.outer, &ipad[0], &opad[0], 1)
	return m
}

// Sum returns the HMAC of a message. It does not allocate.
func (m *MAC) Sum(message []byte) [32]byte {
	m.one.Reset()
	m.one.Write(message)
	m.one.Sum(m.sum[:0])
	return m.sum
}

// Sums sets sums[i] to the HMAC of messages[i], of which there must be as many.
// It does not allocate.
func (m *MAC) Sums(sums [][32]byte, messages [][]byte) {
	sums = sums[:len(messages)]
	if !available || len(messages) == 1 {
		for i, message := range messages {
			sums[i] = m.Sum(message)
		}
		return
	}
	a, b := &m.lanes[0], &m.lanes[1]
	next := 0
	begin := func(l *lane) {
		if next < len(messages) {
			l.begin(m, messages[next], &sums[next])
			next++
		}
	}
	begin(a)
	begin(b)
	for a.busy() && b.busy() {
		n := min(len(a.run), len(b.run)) / blockSize
		blocks(&a.h, &b.h, &a.run[0], &b.run[0], n)
		if a.done(m, n) {
			begin(a)
		}
		if b.done(m, n) {
			begin(b)
		}
	}
	// No message is left for the other lane: what this one does, done twice,
	// takes no longer.
	if b.busy() {
		a = b
	}
	for a.busy() {
		n := len(a.run) / blockSize
		blocks(&a.h, &m.idle, &a.run[0], &a.run[0], n)
		a.done(m, n)
	}
}

// lane is one message being hashed: its whole blocks, then what is left of it
// with the padding, then the outer hash over the result. Each is a run of
// blocks that lie one after another.
type lane struct {
	h     state
	run   []byte // blocks to be hashed now; empty when there is no message
	stage stage
	rest  []byte // of the message, less than a block
	size  int    // of the message, bytes
	sum   *[32]byte
	last  [2 * blockSize]byte
}

type stage int

const (
	body stage = iota
	tail
	outer
)

func (l *lane) busy() bool { return len(l.run) > 0 }

func (l *lane) begin(m *MAC, message []byte, sum *[32]byte) {
	whole := len(message) &^ (blockSize - 1)
	l.h, l.size, l.sum = m.inner, len(message), sum
	l.run, l.rest, l.stage = message[:whole], message[whole:], body
	if whole == 0 {
		l.advance(m)
	}
}

// done notes that n blocks have been hashed, and reports whether the message's
// HMAC is complete.
func (l *lane) done(m *MAC, n int) bool {
	l.run = l.run[n*blockSize:]
	if len(l.run) == 0 {
		l.advance(m)
	}
	return len(l.run) == 0
}

// advance goes on to the next stage's run.
func (l *lane) advance(m *MAC) {
	switch l.stage {
	case body:
		l.stage = tail
		l.finish(l.rest, l.size)
		l.rest = nil
	case tail:
		l.stage = outer
		var digest [sha256.Size]byte
		l.h.put(&digest)
		l.h = m.outer
		l.finish(digest[:], sha256.Size)
	case outer:
		l.h.put(l.sum)
		l.run, l.sum = nil, nil
	}
}

// finish makes the run of the last bytes of what is hashed, of which size bytes
// follow the key's block, and the padding.
func (l *lane) finish(rest []byte, size int) {
	end := blockSize
	if len(rest)+padding > blockSize {
		end = 2 * blockSize
	}
	l.run = l.last[:end]
	clear(l.run[copy(l.run, rest):])
	l.run[len(rest)] = 0x80
	binary.BigEndian.PutUint64(l.run[end-8:], 8*uint64(blockSize+size))
}

func (h *state) put(sum *[32]byte) {
	for i, v := range h {
		binary.BigEndian.PutUint32(sum[4*i:], v)
	}
}
