package keys

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

var suites = []Suite{SuiteAES256GCM, SuiteChaCha20Poly1305, SuiteNone}

// cheap makes a derivation of microseconds, for tests that open many slots.
var cheap = KDFParams{KDF: KDFArgon2id, Time: 1, Memory: 8, Threads: 1}

func cheapKDF(s Suite) (Passphrase, KDFParams) {
	if s == SuiteNone {
		return nil, s.DefaultKDF()
	}
	return Passphrase("correct horse"), cheap
}

func generate(t testing.TB, s Suite) *Full {
	t.Helper()
	k, err := Generate(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func forSuites(t *testing.T, f func(t *testing.T, s Suite)) {
	for _, s := range suites {
		t.Run(s.String(), func(t *testing.T) { f(t, s) })
	}
}

func TestGenerateRefusesUnknownSuites(t *testing.T) {
	for _, s := range []Suite{0, 4, 255} {
		if _, err := Generate(s); !errors.Is(err, ErrInvalid) {
			t.Errorf("%v: %v", s, err)
		}
	}
}

// Two purposes that shared a key would void every argument made for either.
func TestEveryPurposeHasItsOwnKey(t *testing.T) {
	k := generate(t, SuiteAES256GCM)
	seen := map[[16]byte]string{
		[16]byte(k.secret[:]):       "secret",
		[16]byte(k.privateBytes[:]): "private",
	}
	fields := k.shared.fields()
	total := 0
	for _, f := range append(fields[:], labelled{labelCertifier, k.certifierKey.Seed()}) {
		head := [16]byte(f.key)
		if other, ok := seen[head]; ok || head == ([16]byte{}) {
			t.Errorf("%s: the key of %q, or none", f.label, other)
		}
		seen[head] = f.label
		total += len(f.key)
	}
	if total != sharedKeysSize+32 {
		t.Errorf("%d bytes of keys", total)
	}
}

func TestHasherIsHMAC(t *testing.T) {
	k := generate(t, SuiteAES256GCM)
	data, tree := k.Hasher(false), k.Hasher(true)
	for _, n := range []int{0, 1, 55, 56, 63, 64, 65, 128, 4096, 1 << 20} {
		msg := []byte(strings.Repeat("x", n))
		for _, c := range []struct {
			h   *Hasher
			key [32]byte
		}{{data, k.shared.dataID}, {tree, k.shared.treeID}} {
			mac := hmac.New(sha256.New, c.key[:])
			mac.Write(msg)
			for range 2 {
				if got := c.h.Sum(msg); !hmac.Equal(got[:], mac.Sum(nil)) {
					t.Errorf("%d bytes: %x", n, got)
				}
			}
		}
		if data.Sum(msg) == tree.Sum(msg) {
			t.Errorf("%d bytes: a data blob and a tree blob share an ID", n)
		}
	}
}

func TestHasherDoesNotAllocate(t *testing.T) {
	h := generate(t, SuiteAES256GCM).Hasher(false)
	msg := make([]byte, 1000)
	if n := testing.AllocsPerRun(100, func() { h.Sum(msg) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAuthenticateConfig(t *testing.T) {
	k, other := generate(t, SuiteNone), generate(t, SuiteNone)
	mac := k.AuthenticateConfig([]byte("config"))
	if mac != k.AuthenticateConfig([]byte("config")) {
		t.Error("not deterministic")
	}
	if mac == k.AuthenticateConfig([]byte("confih")) || mac == other.AuthenticateConfig([]byte("config")) {
		t.Error("another config, or another repository, has the same code")
	}
}

// Keys end up in error messages and logs sooner or later.
func TestFormattingShowsNoSecret(t *testing.T) {
	k := generate(t, SuiteAES256GCM)
	s, err := k.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	pass := Passphrase("hunter2")
	for _, v := range []any{k, &k.Put, s} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if got := fmt.Sprintf(verb, v); !strings.HasSuffix(got, "repository "+k.Repository().String()) {
				t.Errorf("%T %s: %s", v, verb, got)
			}
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, pass); got != "(passphrase)" {
			t.Errorf("%s: %s", verb, got)
		}
	}
}

// A method of Put that opens sessions would let a put-only client read.
func TestPutHasNoMethodThatOpensSessions(t *testing.T) {
	put := reflect.TypeFor[*Put]()
	for m := range put.Methods() {
		for i := 1; i < m.Type.NumIn(); i++ {
			if in := m.Type.In(i); in == reflect.TypeFor[*Full]() {
				t.Errorf("%s takes full keys", m.Name)
			}
		}
		for i := range m.Type.NumOut() {
			if m.Type.Out(i) == reflect.TypeFor[*Session]() && m.Name != "NewSession" {
				t.Errorf("%s returns a session", m.Name)
			}
		}
	}
	for f := range reflect.TypeFor[Put]().Fields() {
		if f.Type == reflect.TypeFor[Full]().Field(2).Type {
			t.Errorf("field %s may hold the private key", f.Name)
		}
	}
	if f := reflect.TypeFor[Full]().Field(2); f.Name != "private" {
		t.Errorf("field 2 of Full is %s", f.Name)
	}
}

func TestIDs(t *testing.T) {
	k := generate(t, SuiteNone)
	want := k.Repository()
	if got, err := ParseRepositoryID(want.String()); err != nil || got != want {
		t.Errorf("%v, %v", got, err)
	}
	slot := k.Slot().Slot
	if got, err := ParseSlotID(slot.String()); err != nil || got != slot {
		t.Errorf("%v, %v", got, err)
	}
	digits := "0123456789abcdef0123456789abcdef"
	for _, s := range []string{"", digits[1:], digits + "0", digits[:31] + "g", strings.ToUpper(digits), strings.Repeat("0", 1<<16)} {
		var id RepositoryID
		if err := id.UnmarshalText([]byte(s)); !errors.Is(err, ErrInvalid) || id != (RepositoryID{}) {
			t.Errorf("%.40q: %v, %v", s, id, err)
		}
		if _, err := ParseSlotID(s); !errors.Is(err, ErrInvalid) || len(err.Error()) > 250 {
			t.Errorf("%.40q: %v", s, err)
		}
	}
}
