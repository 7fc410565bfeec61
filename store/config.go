package store

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"garret/keys"
	"garret/store/backend"
	"garret/store/codec"
	"garret/store/object"
)

// Config is what holds for a whole repository. It can be read without a key,
// and is authenticated with one.
type Config struct {
	Format     int               `json:"format"` // 1
	Number     int               `json:"number"` // n of config/<n>: of several the highest counts
	Repository keys.RepositoryID `json:"repository"`
	Suite      keys.Suite        `json:"suite"`
	Created    time.Time         `json:"created"`
	// Chunker is what cuts file content, with its own parameters. The store
	// does not look into it.
	Chunker     json.RawMessage `json:"chunker"`
	FrameSize   int             `json:"frame_size"` // raw bytes of a frame at most, unless one blob has more
	PackSize    int             `json:"pack_size"`  // stored bytes at which a pack is closed
	Compression codec.Method    `json:"compression"`
	// Parity is how many bytes of Reed-Solomon parity packs and index segments
	// get, in percent; 0 for none.
	Parity    int    `json:"parity"`
	PublicKey []byte `json:"public_key"` // of the repository key pair
	Certifier []byte `json:"certifier"`  // Ed25519 key that certifies the slots' signing keys
}

// Defaults and bounds of a config.
const (
	configFormat     = 1
	DefaultFrameSize = 1 << 20
	DefaultPackSize  = 32 << 20
	minPackSize      = 64 << 10
	maxPackSize      = 1 << 30
	minFrameSize     = 4 << 10
	maxFrameSize     = 4 << 20
	configMAC        = 32
	maxConfig        = 1 << 20

	DefaultParity = 5
	MaxParity     = 100
)

func (c Config) validate() error {
	if c.Format != configFormat {
		return fmt.Errorf("format %d: %w", c.Format, object.ErrReadFeature)
	}
	if c.FrameSize < minFrameSize || c.FrameSize > maxFrameSize || c.PackSize < minPackSize || c.PackSize > maxPackSize {
		return fmt.Errorf("frames of %d and packs of %d bytes: %w", c.FrameSize, c.PackSize, object.ErrDamaged)
	}
	if c.Parity < 0 || c.Parity > MaxParity {
		return fmt.Errorf("parity of %d %%: %w", c.Parity, object.ErrDamaged)
	}
	return nil
}

// encode makes the config object: header, JSON, HMAC-SHA-256 under the config
// key of header and JSON, CRC32C.
func (c Config) encode(k *keys.Put) ([]byte, error) {
	body, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return nil, err
	}
	data := append(object.AppendHeader(nil, object.Config), body...)
	mac := k.AuthenticateConfig(data)
	return object.Finish(append(data, mac[:]...)), nil
}

// storedConfig is a config that has been read but not authenticated.
type storedConfig struct {
	Config
	header object.Header
	signed []byte // header and JSON
	mac    []byte
}

func parseConfig(data []byte) (*storedConfig, error) {
	h, body, err := object.Open(data, object.Config)
	if err != nil {
		return nil, err
	}
	if len(body) < configMAC {
		return nil, fmt.Errorf("config of %d bytes: %w", len(body), object.ErrDamaged)
	}
	end := len(data) - object.CRCSize - configMAC
	c := &storedConfig{header: h, signed: data[:end], mac: data[end : end+configMAC]}
	if err := json.Unmarshal(data[object.HeaderSize:end], &c.Config); err != nil {
		return nil, fmt.Errorf("%w: %w", object.ErrDamaged, err)
	}
	return c, c.validate()
}

// authenticate checks the config under the key.
func (c *storedConfig) authenticate(k *keys.Put) error {
	want := k.AuthenticateConfig(c.signed)
	if !hmac.Equal(want[:], c.mac) || c.Repository != k.Repository() || c.Suite != k.Suite() ||
		!bytes.Equal(c.PublicKey, k.PublicKey()) || !bytes.Equal(c.Certifier, k.CertifierKey()) {
		return fmt.Errorf("%s: %w", configName(c.Number, false), keys.ErrAuthentication)
	}
	return nil
}

// readConfigs returns the readable configs, the highest number first. A second
// copy stands in for a first that is damaged. problems names the copies that
// are not sound.
func readConfigs(ctx context.Context, b backend.Backend) (configs []*storedConfig, problems []error, err error) {
	var names []string
	err = b.List(ctx, dirConfig, func(e backend.Entry) error {
		if _, _, ok := parseConfigName(e.Name); ok {
			names = append(names, e.Name)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		data, err := backend.ReadAll(ctx, b, name, maxConfig)
		var c *storedConfig
		if err == nil {
			c, err = parseConfig(data)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
			continue
		}
		if n, _, _ := parseConfigName(name); c.Number != n {
			problems = append(problems, fmt.Errorf("%s: it is config %d: %w", name, c.Number, object.ErrDamaged))
			continue
		}
		configs = append(configs, c)
	}
	slices.SortStableFunc(configs, func(a, b *storedConfig) int { return b.Number - a.Number })
	if len(configs) == 0 {
		// A newer format outranks damage: it tells the user what to do.
		for _, p := range problems {
			if errors.Is(p, object.ErrReadFeature) {
				return nil, problems, p
			}
		}
	}
	return configs, problems, nil
}
