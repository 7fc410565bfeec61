package keys

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// vector is a small repository's worth of objects of format 1; bytes are
// hexadecimal digits. The files are frozen, and were checked by a reader in
// another language, written from doc.go: should one of them ever fail to open,
// so would every repository in the field.
type vector struct {
	Suite      Suite        `json:"suite"`
	Repository RepositoryID `json:"repository"`
	Passphrase string       `json:"passphrase"`
	Full       string       `json:"full_slot"`
	PutOnly    string       `json:"put_only_slot"`

	Secret    string            `json:"secret"`
	Private   string            `json:"private_key"`
	Keys      map[string]string `json:"keys"` // by label
	Certifier string            `json:"certifier"`
	Public    string            `json:"public_key"`

	Message string `json:"message"` // what all of the following are of
	DataID  string `json:"data_id"`
	TreeID  string `json:"tree_id"`
	Config  string `json:"config_mac"`

	Epoch          uint32 `json:"epoch"`
	Encapsulation  string `json:"encapsulation"`
	Pack           string `json:"pack_id"`
	Kind           uint8  `json:"kind"`
	Ordinal        uint32 `json:"ordinal"`
	AAD            string `json:"aad"`
	Frame          string `json:"frame"`
	Name           string `json:"name"`
	SessionMessage string `json:"session_message"`
	ListObject     string `json:"list_object"`
	IndexObject    string `json:"index_object"`

	Domain           string `json:"domain"`
	Signature        string `json:"signature"`
	PutOnlySignature string `json:"put_only_signature"`
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil || len(b) == 0 {
		t.Fatalf("vector: %.40q: %v", s, err)
	}
	return b
}

func TestFrozenVectors(t *testing.T) {
	for _, s := range suites {
		t.Run(s.String(), func(t *testing.T) {
			data, err := os.ReadFile("testdata/v1-" + s.String() + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var v vector
			if err := json.Unmarshal(data, &v); err != nil {
				t.Fatal(err)
			}
			if v.Suite != s {
				t.Fatalf("suite %v", v.Suite)
			}
			v.check(t)
		})
	}
}

func (v *vector) check(t *testing.T) {
	equal := func(what string, got []byte, want string) {
		t.Helper()
		if !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("%s: %x, not %s", what, got, want)
		}
	}
	k, err := OpenFullSlot(unhex(t, v.Full), Passphrase(v.Passphrase))
	if err != nil {
		t.Fatal(err)
	}
	put, err := OpenPutOnlySlot(unhex(t, v.PutOnly), Passphrase(v.Passphrase))
	if err != nil {
		t.Fatal(err)
	}
	equal("secret", k.secret[:], v.Secret)
	equal("private key", k.privateBytes[:], v.Private)
	equal("certifier's seed", k.certifierKey.Seed(), v.Keys[labelCertifier])
	message, aad := []byte(v.Message), []byte(v.AAD)
	for _, p := range []*Put{&k.Put, put} {
		if p.Repository() != v.Repository || p.Suite() != v.Suite || p.Epoch() != v.Epoch {
			t.Errorf("%v, %v, epoch %d", p, p.Suite(), p.Epoch())
		}
		for _, f := range p.shared.fields() {
			equal(f.label, f.key, v.Keys[f.label])
		}
		equal("certifier", p.CertifierKey(), v.Certifier)
		equal("public key", p.PublicKey(), v.Public)
		data, tree, mac := p.Hasher(false).Sum(message), p.Hasher(true).Sum(message), p.AuthenticateConfig(message)
		equal("data ID", data[:], v.DataID)
		equal("tree ID", tree[:], v.TreeID)
		equal("config", mac[:], v.Config)
		for purpose, sealed := range map[Purpose]string{ListKey: v.ListObject, IndexKey: v.IndexObject} {
			if got, err := p.Open(purpose, v.Name, aad, unhex(t, sealed)); err != nil || !bytes.Equal(got, message) {
				t.Errorf("purpose %d: %v", purpose, err)
			}
		}
		if signer, err := p.Verify(v.Domain, message, unhex(t, v.Signature)); err != nil || signer != k.Slot() {
			t.Errorf("%v, %v", signer, err)
		}
		if signer, err := p.Verify(v.Domain, message, unhex(t, v.PutOnlySignature)); err != nil || signer != put.Slot() {
			t.Errorf("%v, %v", signer, err)
		}
	}
	// Ed25519 signatures are deterministic.
	equal("signature", k.Sign(v.Domain, message), v.Signature)
	equal("put-only signature", put.Sign(v.Domain, message), v.PutOnlySignature)

	s, err := k.OpenSession(v.Epoch, unhex(t, v.Encapsulation))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := s.PackAEAD([16]byte(unhex(t, v.Pack)), v.Kind)
	if err != nil {
		t.Fatal(err)
	}
	nonce := Nonce(v.Ordinal)
	equal("frame", aead.Seal(nil, nonce[:], message, aad), v.Frame)
	if got, err := s.Open(v.Name, aad, unhex(t, v.SessionMessage)); err != nil || !bytes.Equal(got, message) {
		t.Errorf("session message: %v", err)
	}
}
