package keys

import (
	"fmt"
	"io"
	"testing"
)

func BenchmarkHasher(b *testing.B) {
	h := generate(b, SuiteAES256GCM).Hasher(false)
	for _, n := range []int{128, 4 << 10, 512 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			data := make([]byte, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				h.Sum(data)
			}
		})
	}
}

func BenchmarkAEAD(b *testing.B) {
	for _, s := range suites {
		aead := packAEAD(b, newSession(b, &generate(b, s).Put), 1, 1)
		const n = 512 << 10
		nonce := Nonce(0)
		buf := make([]byte, n, n+tagSize)
		b.Run("seal/"+s.String(), func(b *testing.B) {
			b.SetBytes(n)
			for b.Loop() {
				aead.Seal(buf[:0], nonce[:], buf, nil)
			}
		})
		sealed, out := aead.Seal(nil, nonce[:], buf, nil), make([]byte, 0, n)
		b.Run("open/"+s.String(), func(b *testing.B) {
			b.SetBytes(n)
			for b.Loop() {
				if _, err := aead.Open(out, nonce[:], sealed, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSealedObject(b *testing.B) {
	k := &generate(b, SuiteAES256GCM).Put
	const n = 8 << 20
	plain := make([]byte, n)
	sealed := mustSeal(b, k, "index/1", plain)
	b.Run("Seal", func(b *testing.B) {
		b.SetBytes(n)
		for b.Loop() {
			mustSeal(b, k, "index/1", plain)
		}
	})
	b.Run("Open", func(b *testing.B) {
		b.SetBytes(n)
		for b.Loop() {
			if _, err := k.Open(IndexKey, "index/1", []byte("aad"), sealed); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("SealWriter", func(b *testing.B) {
		b.SetBytes(n)
		for b.Loop() {
			w, err := k.SealWriter(IndexKey, "index/1", nil, io.Discard)
			if err != nil {
				b.Fatal(err)
			}
			w.Write(plain)
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSession(b *testing.B) {
	k := generate(b, SuiteAES256GCM)
	s := newSession(b, &k.Put)
	b.Run("New", func(b *testing.B) {
		for b.Loop() {
			newSession(b, &k.Put)
		}
	})
	b.Run("Open", func(b *testing.B) {
		for b.Loop() {
			if _, err := k.OpenSession(s.Epoch(), s.Encapsulation()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("PackAEAD", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			packAEAD(b, s, 1, 1)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	k := generate(b, SuiteAES256GCM)
	msg := make([]byte, 32)
	sig := k.Sign("d", msg)
	b.Run("Sign", func(b *testing.B) {
		for b.Loop() {
			k.Sign("d", msg)
		}
	})
	b.Run("Verify", func(b *testing.B) {
		for b.Loop() {
			if _, err := k.Verify("d", msg, sig); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOpenFullSlot(b *testing.B) {
	k := generate(b, SuiteAES256GCM)
	for name, params := range map[string]KDFParams{"default": k.Suite().DefaultKDF(), "cheap": cheap} {
		slot, _, err := k.NewSlot("", Passphrase("p"), params)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := OpenFullSlot(slot, Passphrase("p")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
