package keys

import (
	"bytes"
	"errors"
	"testing"
)

// fuzzSeeds returns a slot of each role and suite.
func fuzzSeeds(f *testing.F) (slots [][]byte) {
	for _, s := range suites {
		k := generate(f, s)
		pass, params := cheapKDF(s)
		full, _, err := k.NewSlot("label", pass, params)
		if err != nil {
			f.Fatal(err)
		}
		put, _, err := k.NewPutOnlySlot("", pass, params)
		if err != nil {
			f.Fatal(err)
		}
		slots = append(slots, full, put)
	}
	return slots
}

// FuzzReadSlot: what parses is written back byte for byte, and what does not
// open says why with one of the documented errors. The checksum is made to fit,
// else nothing would get past it.
func FuzzReadSlot(f *testing.F) {
	for _, slot := range fuzzSeeds(f) {
		f.Add(slot)
		f.Add(slot[:len(slot)/2])
	}
	f.Add([]byte(slotMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > slotCRCSize {
			b = fixCRC(b)
		}
		info, err := ReadSlot(b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrUnsupported) || info != (SlotInfo{}) {
				t.Fatalf("%+v, %v", info, err)
			}
			return
		}
		s, err := parseSlot(b)
		if err != nil {
			t.Fatal(err)
		}
		if again := appendCRC(append(s.appendHeader(nil), s.sealed...)); !bytes.Equal(again, b) {
			t.Fatalf("written back as\n%x, not\n%x", again, b)
		}
		if len(b) > MaxSlotSize {
			t.Fatalf("%d bytes", len(b))
		}
		if info.KDF.Time > 2 || info.KDF.Memory > 64 {
			return // allowed, but slow to fuzz
		}
		pass, _ := cheapKDF(info.Suite)
		if k, err := OpenFullSlot(b, pass); err != nil && (k != nil || !oneOf(err, ErrPassphrase, ErrRole, ErrDamaged)) {
			t.Fatalf("%v, %v", k, err)
		}
		if k, err := OpenPutOnlySlot(b, pass); err != nil && (k != nil || !oneOf(err, ErrPassphrase, ErrRole, ErrDamaged)) {
			t.Fatalf("%v, %v", k, err)
		}
	})
}

func oneOf(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// FuzzOpen: a sealed object opens whole exactly if it opens as a stream, only
// if nothing was changed, and nothing comes with an error.
func FuzzOpen(f *testing.F) {
	k := &generate(f, SuiteAES256GCM).Put
	plain := pattern(2*pageSize + 5)
	sealed := mustSeal(f, k, "index/1", plain)
	f.Add(0, byte(0), len(sealed), []byte(nil))
	f.Add(40, byte(1), len(sealed), []byte(nil))
	f.Add(0, byte(0), sealedHeadSize+sealedPageSize, []byte(nil))
	f.Add(0, byte(0), len(sealed), []byte("x"))
	f.Add(0, byte(0), sealedHeadSize+sealedPageSize, sealed[sealedHeadSize+2*sealedPageSize:])
	f.Fuzz(func(t *testing.T, at int, flip byte, cut int, tail []byte) {
		b := append(bytes.Clone(sealed[:uint(cut)%uint(len(sealed)+1)]), tail...)
		if len(b) > 0 {
			b[uint(at)%uint(len(b))] ^= flip
		}
		got, err := openBoth(t, k, "index/1", b)
		if same := bytes.Equal(b, sealed); same != (err == nil) || same && !bytes.Equal(got, plain) {
			t.Fatalf("unchanged: %v; %v", same, err)
		}
	})
}

// FuzzVerify: no signature but the one that was made verifies.
func FuzzVerify(f *testing.F) {
	k := generate(f, SuiteAES256GCM)
	msg := []byte("message")
	sig := k.Sign("d", msg)
	f.Add("d", msg, sig)
	f.Add("d", msg, sig[:100])
	f.Add("", []byte("dmessage"), sig)
	f.Fuzz(func(t *testing.T, domain string, message, signature []byte) {
		signer, err := k.Verify(domain, message, signature)
		same := domain == "d" && bytes.Equal(message, msg) && bytes.Equal(signature, sig)
		if same != (err == nil) || err != nil && (signer != (Signer{}) || !errors.Is(err, ErrSignature)) {
			t.Fatalf("%v, %v", signer, err)
		}
	})
}
