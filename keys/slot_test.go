package keys

import (
	"bytes"
	"errors"
	"runtime"
	"testing"
	"time"
)

func TestFullSlot(t *testing.T) {
	forSuites(t, func(t *testing.T, s Suite) {
		k := generate(t, s)
		before := k.Sign("d", []byte("before"))
		pass, params := cheapKDF(s)
		slot, id, err := k.NewSlot("büro", pass, params)
		if err != nil {
			t.Fatal(err)
		}
		info, err := ReadSlot(slot)
		if err != nil {
			t.Fatal(err)
		}
		if age := time.Since(info.Created); age < 0 || age > time.Minute || info.Created.Location() != time.UTC {
			t.Errorf("created %v", info.Created)
		}
		info.Created = time.Time{}
		if want := (SlotInfo{ID: id, Role: RoleFull, Suite: s, Repository: k.Repository(), Label: "büro", KDF: params}); info != want {
			t.Errorf("%+v", info)
		}
		if id != k.Slot().Slot {
			t.Error("new keys do not sign with their first slot's key")
		}
		o, err := OpenFullSlot(slot, pass)
		if err != nil {
			t.Fatal(err)
		}
		if o.Repository() != k.Repository() || o.Suite() != s || o.Epoch() != k.Epoch() || o.Slot() != k.Slot() {
			t.Error("another repository")
		}
		if o.shared != k.shared || o.secret != k.secret || !bytes.Equal(o.PublicKey(), k.PublicKey()) || !bytes.Equal(o.CertifierKey(), k.CertifierKey()) {
			t.Error("other keys")
		}
		if signer, err := o.Verify("d", []byte("before"), before); err != nil || signer.Slot != id {
			t.Errorf("%v, %v", signer, err)
		}
		if _, err := k.Verify("d", []byte("after"), o.Sign("d", []byte("after"))); err != nil {
			t.Error(err)
		}
		session := newSession(t, &k.Put)
		if _, err := o.OpenSession(session.Epoch(), session.Encapsulation()); err != nil {
			t.Error(err)
		}

		// A second slot, made by either, is another with a key of its own.
		for _, maker := range []*Full{k, o} {
			second, id2, err := maker.NewSlot("", pass, params)
			if err != nil {
				t.Fatal(err)
			}
			o2, err := OpenFullSlot(second, pass)
			if err != nil {
				t.Fatal(err)
			}
			if id2 == id || o2.Slot().Slot != id2 || o2.own.key.Equal(k.own.key) || maker.Slot().Slot != id {
				t.Error("two slots share a signing key, or the maker changed its own")
			}
		}
	})
}

func TestPutOnlySlot(t *testing.T) {
	forSuites(t, func(t *testing.T, s Suite) {
		k := generate(t, s)
		pass, params := cheapKDF(s)
		slot, id, err := k.NewPutOnlySlot("client", pass, params)
		if err != nil {
			t.Fatal(err)
		}
		put, err := OpenPutOnlySlot(slot, pass)
		if err != nil {
			t.Fatal(err)
		}
		if put.Slot() != (Signer{id, RolePutOnly}) || put.shared != k.shared || put.Epoch() != k.Epoch() ||
			!bytes.Equal(put.PublicKey(), k.PublicKey()) || !bytes.Equal(put.CertifierKey(), k.CertifierKey()) {
			t.Error("other keys")
		}
		session := newSession(t, put)
		nonce := Nonce(0)
		sealed := packAEAD(t, session, 1, 1).Seal(nil, nonce[:], []byte("frame"), nil)
		r, err := k.OpenSession(session.Epoch(), session.Encapsulation())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := packAEAD(t, r, 1, 1).Open(nil, nonce[:], sealed, nil); err != nil || string(got) != "frame" {
			t.Errorf("full keys cannot read what put-only ones stored: %v", err)
		}
		_, payload, err := unwrap(slot, pass, RolePutOnly)
		if err != nil {
			t.Fatal(err)
		}
		for what, secret := range map[string][]byte{"secret": k.secret[:], "private key": k.privateBytes[:], "certifier key": k.certifierKey.Seed()} {
			if bytes.Contains(payload, secret) {
				t.Errorf("a put-only slot holds the %s", what)
			}
		}
		if _, err := OpenFullSlot(slot, pass); !errors.Is(err, ErrRole) {
			t.Errorf("opened as full: %v", err)
		}
		full, _, err := k.NewSlot("", pass, params)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := OpenPutOnlySlot(full, pass); !errors.Is(err, ErrRole) {
			t.Errorf("opened as put-only: %v", err)
		}
	})
}

func TestWrongPassphrase(t *testing.T) {
	k := generate(t, SuiteAES256GCM)
	slot, _, err := k.NewSlot("", Passphrase("right"), cheap)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []Passphrase{nil, Passphrase("Right"), Passphrase("right "), Passphrase("right\x00")} {
		if k, err := OpenFullSlot(slot, p); !errors.Is(err, ErrPassphrase) || k != nil {
			t.Errorf("%q: %v", []byte(p), err)
		}
	}
	if _, _, err := k.NewSlot("", nil, cheap); err != nil {
		t.Errorf("an empty passphrase: %v", err)
	}
}

// A hostile server could swap a whole repository for an unencrypted one of its
// own. Who has a passphrase must not be talked out of using it.
func TestPassphraseForUnencryptedRepository(t *testing.T) {
	k := generate(t, SuiteNone)
	slot, _, err := k.NewSlot("", nil, KDFParams{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFullSlot(slot, Passphrase("p")); !errors.Is(err, ErrPassphraseUnused) {
		t.Error(err)
	}
	if _, _, err := k.NewSlot("", Passphrase("p"), KDFParams{}); !errors.Is(err, ErrPassphraseUnused) {
		t.Error(err)
	}
}

// Every byte is covered: a flipped bit is damage, and one whose checksum was
// made to fit does not open either.
func TestChangedSlotsDoNotOpen(t *testing.T) {
	forSuites(t, func(t *testing.T, s Suite) {
		k := generate(t, s)
		pass, params := cheapKDF(s)
		slot, _, err := k.NewSlot("label", pass, params)
		if err != nil {
			t.Fatal(err)
		}
		for i := range slot {
			bad := bytes.Clone(slot)
			bad[i] ^= 1
			if _, err := ReadSlot(bad); !errors.Is(err, ErrDamaged) {
				t.Fatalf("byte %d: %v", i, err)
			}
			if i >= slotOffMemory && i < slotOffThreads || i >= len(slot)-slotCRCSize {
				continue // of the memory, only what stays cheap, below
			}
			if k, err := OpenFullSlot(fixCRC(bad), pass); err == nil || k != nil {
				t.Fatalf("byte %d may change", i)
			}
		}
		if s != SuiteNone {
			bad := bytes.Clone(slot)
			bad[slotOffMemory]++
			if _, err := OpenFullSlot(fixCRC(bad), pass); !errors.Is(err, ErrPassphrase) {
				t.Errorf("memory: %v", err)
			}
		}
		for _, n := range []int{0, 1, 7, 8, 70, 73, slotOffLabel + saltSize + tagSize + slotCRCSize, len(slot) - 1} {
			if _, err := ReadSlot(slot[:n]); !errors.Is(err, ErrDamaged) {
				t.Errorf("cut to %d: %v", n, err)
			}
		}
		long := fixCRC(append(bytes.Clone(slot), 0))
		if _, err := ReadSlot(long); !errors.Is(err, ErrDamaged) {
			t.Errorf("a byte more: %v", err)
		}
	})
}

func fixCRC(slot []byte) []byte {
	return appendCRC(bytes.Clone(slot[:max(0, len(slot)-slotCRCSize)]))
}

// A mount lives for weeks; 64 MiB for one derivation at its start would be
// half of what it may use.
func TestOpeningGivesItsMemoryBack(t *testing.T) {
	k := generate(t, SuiteAES256GCM)
	slot, _, err := k.NewSlot("", Passphrase("p"), KDFParams{})
	if err != nil {
		t.Fatal(err)
	}
	info, err := ReadSlot(slot)
	if err != nil || info.KDF != (KDFParams{KDF: KDFArgon2id, Time: 3, Memory: 64 << 10, Threads: 4}) {
		t.Fatalf("the defaults are %+v, %v", info.KDF, err)
	}
	if _, err := OpenFullSlot(slot, Passphrase("p")); err != nil {
		t.Fatal(err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if held := m.HeapSys - m.HeapReleased; held > 32<<20 {
		t.Errorf("%d MiB of heap held", held>>20)
	}
}
