package store

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"garret/keys"
	"garret/store/backend/mem"
	"garret/store/codec"
)

// prose returns n bytes that compress about as source code does.
func prose(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 3))
	words := make([]string, 1500)
	for i := range words {
		word := make([]byte, 2+r.IntN(9))
		for j := range word {
			word[j] = "etaoinshrdlucmfwyp_."[min(r.IntN(20), r.IntN(20))]
		}
		words[i] = string(word)
	}
	text := make([]byte, 0, n+16)
	for len(text) < n {
		text = append(text, words[min(r.IntN(len(words)), r.IntN(len(words)))]...)
		text = append(text, " \n\t("[min(r.IntN(4), r.IntN(4))])
	}
	return text[:n]
}

// BenchmarkCheck is how fast check goes over 64 MiB of files; MB/s are of
// their content.
func BenchmarkCheck(b *testing.B) {
	b.Setenv("XDG_CACHE_HOME", b.TempDir())
	m := mem.New()
	if _, err := Init(b.Context(), m, InitOptions{
		Suite: keys.SuiteAES256GCM, Chunker: map[string]int{"min": 1}, Compression: codec.Default, Parity: DefaultParity,
		Passphrase: testPass, KDF: cheapKDF,
	}); err != nil {
		b.Fatal(err)
	}
	r := openTestRepository(b, m)
	const files, size = 64, 1 << 20
	tree := testDir{}
	for i := range files {
		parts := [][]byte{}
		for text := prose(uint64(i), size); len(text) > 0; {
			n := min(len(text), 4<<10+i*500)
			parts = append(parts, text[:n])
			text = text[n:]
		}
		tree[fmt.Sprint(i)] = parts
	}
	snapshotOf(b, r, "bench", tree)
	run := func(name string, check func() (*CheckResult, error)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(files * size)
			b.ReportAllocs()
			for b.Loop() {
				if c, err := check(); err != nil || c.Problems() > 0 {
					b.Fatal(c, err)
				}
			}
		})
	}
	run("structure", func() (*CheckResult, error) { return r.Check(b.Context(), CheckOptions{Walk: walkTest}) })
	run("read-data", func() (*CheckResult, error) {
		return r.Check(b.Context(), CheckOptions{Walk: walkTest, ReadData: true})
	})
	run("no-key", func() (*CheckResult, error) { return CheckNoKey(b.Context(), m, CheckOptions{}) })
}
