package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"garret/keys"
	"garret/store/backend"
	"garret/store/backend/mem"
	"garret/store/codec"
	"garret/store/object"
)

// testConfig returns the config of new keys.
func testConfig(t testing.TB) (Config, *keys.Full) {
	t.Helper()
	k, err := keys.Generate(keys.SuiteAES256GCM)
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Format: configFormat, Repository: k.Repository(), Suite: k.Suite(),
		Created: time.Date(2026, 11, 22, 13, 0, 0, 0, time.UTC), Chunker: json.RawMessage(`{"algorithm":"fixed"}`),
		FrameSize: DefaultFrameSize, PackSize: DefaultPackSize, Compression: codec.Default,
		PublicKey: k.PublicKey(), Certifier: k.CertifierKey(),
	}, k
}

// Sizes at the bounds are believed, beyond them not: a reader takes memory by
// them.
func TestConfigBounds(t *testing.T) {
	for _, c := range []struct {
		frame, pack, format int
		err                 error
	}{
		{DefaultFrameSize, DefaultPackSize, 1, nil},
		{minFrameSize, minPackSize, 1, nil},
		{maxFrameSize, maxPackSize, 1, nil},
		{minFrameSize - 1, minPackSize, 1, object.ErrDamaged},
		{minFrameSize, minPackSize - 1, 1, object.ErrDamaged},
		{maxFrameSize + 1, maxPackSize, 1, object.ErrDamaged},
		{maxFrameSize, maxPackSize + 1, 1, object.ErrDamaged},
		{DefaultFrameSize, DefaultPackSize, 0, object.ErrReadFeature},
		{DefaultFrameSize, DefaultPackSize, 2, object.ErrReadFeature},
	} {
		want, k := testConfig(t)
		want.FrameSize, want.PackSize, want.Format = c.frame, c.pack, c.format
		data, err := want.encode(&k.Put)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseConfig(data)
		if !errors.Is(err, c.err) {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil && (got.FrameSize != c.frame || got.PackSize != c.pack || got.authenticate(&k.Put) != nil) {
			t.Errorf("%+v comes back as %+v", c, got.Config)
		}
	}
}

// A config that somebody without the key has changed, or that belongs to
// another repository, is not taken: it names the key that content is
// encrypted to.
func TestConfigForged(t *testing.T) {
	want, k := testConfig(t)
	data, err := want.encode(&k.Put)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := parseConfig(data); err != nil || c.authenticate(&k.Put) != nil {
		t.Fatal(err)
	}
	body := data[:len(data)-object.CRCSize]
	for at := range body {
		forged := bytes.Clone(body)
		forged[at] ^= 1
		c, err := parseConfig(object.Finish(forged)) // with a checksum that fits
		if err == nil && c.authenticate(&k.Put) == nil {
			t.Fatalf("a change of byte %d is not noticed", at)
		}
	}
	for n := range data {
		if _, err := parseConfig(data[:n]); !errors.Is(err, object.ErrDamaged) {
			t.Fatalf("%d of %d bytes: %v", n, len(data), err)
		}
	}
	other, err := keys.Generate(keys.SuiteAES256GCM)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"repository": func(c *Config) { c.Repository = other.Repository() },
		"suite":      func(c *Config) { c.Suite = keys.SuiteNone },
		"public key": func(c *Config) { c.PublicKey = other.PublicKey() },
		"certifier":  func(c *Config) { c.Certifier = other.CertifierKey() },
	} {
		swapped := want
		change(&swapped)
		data, err := swapped.encode(&k.Put) // as a put-only client could: it holds the config key
		if err != nil {
			t.Fatal(err)
		}
		c, err := parseConfig(data)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.authenticate(&k.Put); !errors.Is(err, keys.ErrAuthentication) {
			t.Errorf("another's %s: %v", name, err)
		}
	}
}

// One copy of the config is enough, whichever is left, and a repository with
// none that can be read says so.
func TestConfigCopies(t *testing.T) {
	for _, lost := range []string{"config/1", "config/1.2", "both"} {
		b := mem.New()
		newTestRepository(t, b)
		for _, name := range []string{"config/1", "config/1.2"} {
			if name != lost && lost != "both" {
				continue
			}
			if err := b.Put(t.Context(), name, []byte("rot")); err != nil {
				t.Fatal(err)
			}
		}
		l, err := Open(t.Context(), b)
		if lost == "both" {
			if !errors.Is(err, ErrNoRepository) {
				t.Errorf("without a config: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("without %s: %v", lost, err)
		}
		if r, err := l.Unlock(testPass); err != nil || len(r.Problems()) != 1 {
			t.Errorf("without %s: %v", lost, err)
		}
	}
	b := mem.New()
	newTestRepository(t, b)
	data, err := backend.ReadAll(t.Context(), b, "config/1", maxConfig)
	if err != nil {
		t.Fatal(err)
	}
	data = data[:len(data)-object.CRCSize]
	data[8] = 1
	for _, name := range []string{"config/1", "config/1.2"} {
		if err := b.Put(t.Context(), name, object.Finish(bytes.Clone(data))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(t.Context(), b); !errors.Is(err, object.ErrReadFeature) {
		t.Errorf("a repository of a newer program: %v", err)
	}
}

// FuzzParseConfig: what parses is within its bounds, and nobody without the
// key makes one that authenticates.
func FuzzParseConfig(f *testing.F) {
	c, k := testConfig(f)
	data, err := c.encode(&k.Put)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[:len(data)-object.CRCSize])
	f.Add(append(object.AppendHeader(nil, object.Config), make([]byte, configMAC)...))
	f.Add(append(append(object.AppendHeader(nil, object.Config), `{"format":1,"frame_size":4096,"pack_size":65536}`...), make([]byte, configMAC)...))
	f.Add(append(append(object.AppendHeader(nil, object.Config), `{"format":1,"suite":"none","repository":"00","compression":"zstd,99"}`...), make([]byte, configMAC)...))
	genuine := data[:len(data)-object.CRCSize]
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseConfig(object.Finish(bytes.Clone(data)))
		if err != nil {
			if !errors.Is(err, object.ErrDamaged) && !errors.Is(err, object.ErrReadFeature) {
				t.Fatal(err)
			}
			return
		}
		if err := c.validate(); err != nil {
			t.Fatalf("%+v: %v", c.Config, err)
		}
		if err := c.authenticate(&k.Put); (err == nil) != bytes.Equal(data, genuine) {
			t.Fatalf("%q: %v", data, err)
		}
	})
}
