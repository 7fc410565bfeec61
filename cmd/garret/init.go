package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"garret/chunking"
	"garret/cmd/garret/internal/term"
	"garret/keys"
	"garret/store"
	"garret/store/backend"
	"garret/store/backend/local"
	"garret/store/codec"
)

type initCmd struct {
	Encryption  keys.Suite   `default:"aes256-gcm" help:"aes256-gcm, chacha20-poly1305, or none."`
	Compression codec.Method `default:"auto" help:"none, lz4, s2, zstd[,1-22], zlib[,1-9], lzma[,1-9]; or auto[,…]: stored as it is where compressing would not pay."`
	Chunker     string       `default:"fastcdc" enum:"fastcdc,fixed" help:"How file content is cut: fastcdc by content, fixed at fixed sizes (block devices, database files)."`
	ChunkSize   int          `default:"128" placeholder:"KIB" help:"Average (fastcdc; an eighth of it in programs) or exact (fixed) size of chunks, KiB."`
	FrameSize   int          `default:"1024" placeholder:"KIB" help:"How much is compressed and encrypted together, KiB: more takes less room, and longer to be read here and there."`
	Parity      percentage   `default:"5%" placeholder:"N%" help:"Redundancy by which repair heals what has rotted, in percent of what is stored; 0 for none (storage that has its own)."`
	Label       string       `help:"Name of the first key slot."`
	JSON        bool         `name:"json" help:"Print one JSON object."`
}

func (c *initCmd) Run(ctx context.Context, a *app) error {
	avg := c.ChunkSize << 10
	params := chunking.Average(avg)
	if c.Chunker == "fixed" {
		params = chunking.Params{Algorithm: chunking.Fixed, Min: avg, Avg: avg, Max: avg}
	}
	if err := params.Validate(); err != nil {
		return err
	}
	if err := store.ValidLabel(c.Label); err != nil {
		return fmt.Errorf("label: %w", err)
	}
	place, err := a.location()
	if err != nil {
		return err
	}
	// The passphrase comes first: nothing is made if there is none.
	var pass []byte
	if c.Encryption != keys.SuiteNone {
		var given bool
		pass, given, err = term.NewPassphrase(ctx, term.Sources{Prompt: true, What: "the new repository " + place, Initial: true})
		if err != nil {
			return err
		}
		if !given {
			return errors.New("no passphrase: set GARRET_NEW_PASSPHRASE or GARRET_PASSPHRASE, or run on a terminal; --encryption none does without")
		}
	}
	b, err := local.Create(place)
	if errors.Is(err, backend.ErrNotEmpty) {
		return fmt.Errorf("%s %w; a repository begins in an empty or new directory", place, backend.ErrNotEmpty)
	}
	if err != nil {
		return err
	}
	defer b.Close()
	config, err := store.Init(ctx, b, store.InitOptions{
		Suite: c.Encryption, Chunker: params, Compression: c.Compression, FrameSize: c.FrameSize << 10,
		Parity: int(c.Parity), Label: c.Label, Passphrase: keys.Passphrase(pass), KDF: c.Encryption.DefaultKDF(),
	})
	if err != nil {
		return fmt.Errorf("create %s: %w", place, err)
	}
	if c.JSON {
		return printJSON(a.stdout, map[string]any{"repository": config.Repository, "location": b.Location(), "encryption": c.Encryption})
	}
	fmt.Fprintf(a.stdout, "repository %v created at %s\n", config.Repository, b.Location())
	if c.Encryption == keys.SuiteNone {
		fmt.Fprintln(a.stderr, "garret: NOT encrypted: whoever can read the repository reads every file and name in it, and whoever can write to it can change them; checksums find accidents only")
	} else {
		fmt.Fprintln(a.stderr, "garret: without the passphrase nothing in it can be read again, by nobody; keep it where the repository is not")
	}
	return nil
}

// percentage is a whole number of percent, with or without the sign.
type percentage int

// UnmarshalText reads "5%" or "5".
func (p *percentage) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(strings.TrimSuffix(string(text), "%"))
	if err != nil || n < 0 || n > store.MaxParity {
		return fmt.Errorf("%q is not a percentage from 0 to %d", text, store.MaxParity)
	}
	*p = percentage(n)
	return nil
}
