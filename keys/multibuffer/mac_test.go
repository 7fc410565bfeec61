package multibuffer

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

// inBoth runs a test with what the processor has, and without.
func inBoth(t *testing.T, test func(t *testing.T)) {
	had := available
	defer func() { available = had }()
	if had {
		t.Run("lanes", test)
	}
	available = false
	t.Run("library", test)
}

func random(r *rand.ChaCha8, n int) []byte {
	b := make([]byte, n)
	r.Read(b)
	return b
}

// expect compares Sums and Sum with the standard library.
func expect(t *testing.T, m *MAC, key *[32]byte, messages ...[]byte) {
	t.Helper()
	sums := make([][32]byte, len(messages))
	m.Sums(sums, messages)
	for i, message := range messages {
		h := hmac.New(sha256.New, key[:])
		h.Write(message)
		want := h.Sum(nil)
		if !bytes.Equal(sums[i][:], want) {
			t.Fatalf("message %d of %d, %d bytes: Sums gives %x, not %x", i, len(messages), len(message), sums[i], want)
		}
		if one := m.Sum(message); !bytes.Equal(one[:], want) {
			t.Fatalf("message of %d bytes: Sum gives %x, not %x", len(message), one, want)
		}
	}
}

// Two messages of any two lengths about a block's, where padding takes its turns.
func TestLengths(t *testing.T) {
	inBoth(t, func(t *testing.T) {
		r := rand.NewChaCha8([32]byte{1})
		key := [32]byte(random(r, 32))
		m := New(&key)
		for a := range 3*blockSize + 2 {
			for b := range 3*blockSize + 2 {
				expect(t, m, &key, random(r, a), random(r, b))
			}
		}
	})
}

// Any number of messages of lengths far apart.
func TestMany(t *testing.T) {
	inBoth(t, func(t *testing.T) {
		r := rand.NewChaCha8([32]byte{2})
		rnd := rand.New(r)
		for range 300 {
			key := [32]byte(random(r, 32))
			m := New(&key)
			for range 3 {
				messages := make([][]byte, rnd.IntN(20))
				for i := range messages {
					messages[i] = random(r, rnd.IntN(1<<rnd.IntN(17)))
				}
				expect(t, m, &key, messages...)
			}
		}
	})
}

// Messages may begin and end at any address, and nothing behind them is read.
func TestUnaligned(t *testing.T) {
	r := rand.NewChaCha8([32]byte{3})
	key := [32]byte(random(r, 32))
	m := New(&key)
	page := unix.Getpagesize()
	memory, err := unix.Mmap(-1, 0, 2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(memory)
	if err := unix.Mprotect(memory[page:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	memory = memory[:page]
	r.Read(memory)
	for n := range 4*blockSize + 1 {
		expect(t, m, &key, memory[page-n:], memory[n:n+777], memory[page-n/2:])
	}
}

// RFC 4231's keys, and the empty one, are not of 32 bytes; but HMAC fills keys up
// with zeros, so a shorter one is the same as one with zeros behind.
func TestVectors(t *testing.T) {
	for _, v := range []struct{ key, message, sum string }{
		{"", "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
		{"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b", "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	} {
		var key [32]byte
		copy(key[:], v.key)
		var sums [2][32]byte
		New(&key).Sums(sums[:], [][]byte{[]byte(v.message), []byte(v.message)})
		for _, sum := range sums {
			if got := hex.EncodeToString(sum[:]); got != v.sum {
				t.Errorf("key %q: %s, not %s", v.key, got, v.sum)
			}
		}
	}
}

func TestSumsDoesNotAllocate(t *testing.T) {
	m := New(new([32]byte))
	messages := [][]byte{make([]byte, 1000), make([]byte, 100), make([]byte, 5000)}
	sums := make([][32]byte, len(messages))
	if n := testing.AllocsPerRun(100, func() { m.Sums(sums, messages) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMAC(b *testing.B) {
	m := New(new([32]byte))
	for _, size := range []int{128, 4 << 10, 128 << 10} {
		messages := make([][]byte, 8)
		for i := range messages {
			messages[i] = make([]byte, size)
		}
		sums := make([][32]byte, len(messages))
		b.Run(fmt.Sprintf("one/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size * len(messages)))
			for b.Loop() {
				for i := range messages {
					sums[i] = m.Sum(messages[i])
				}
			}
		})
		b.Run(fmt.Sprintf("many/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size * len(messages)))
			for b.Loop() {
				m.Sums(sums, messages)
			}
		})
	}
}
