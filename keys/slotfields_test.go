package keys

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
)

func TestSlotFieldsAreBounded(t *testing.T) {
	k := generate(t, SuiteAES256GCM)
	slot, _, err := k.NewSlot("", Passphrase("p"), cheap)
	if err != nil {
		t.Fatal(err)
	}
	put32 := func(off int, v uint32) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint32(b[off:], v) }
	}
	put8 := func(off int, v byte) func([]byte) { return func(b []byte) { b[off] = v } }
	cases := map[string]struct {
		change func([]byte)
		want   error
	}{
		"version 0":        {put8(slotOffVersion, 0), ErrUnsupported},
		"version 2":        {put8(slotOffVersion, 2), ErrUnsupported},
		"read feature":     {put32(slotOffReadFeatures, 1<<31), ErrUnsupported},
		"write feature":    {put32(slotOffWriteFeatures, 1), nil},
		"role 0":           {put8(slotOffRole, 0), ErrDamaged},
		"role 3":           {put8(slotOffRole, 3), ErrDamaged},
		"another's length": {put8(slotOffRole, 2), ErrDamaged},
		"suite 0":          {put8(slotOffSuite, 0), ErrDamaged},
		"suite 4":          {put8(slotOffSuite, 4), ErrDamaged},
		"no encryption":    {put8(slotOffSuite, 3), ErrDamaged},
		"kdf 0":            {put8(slotOffKDF, 0), ErrDamaged},
		"kdf 3":            {put8(slotOffKDF, 3), ErrDamaged},
		"no passphrase":    {put8(slotOffKDF, 2), ErrDamaged},
		"no passes":        {put32(slotOffTime, 0), ErrDamaged},
		"64 passes":        {put32(slotOffTime, 64), nil},
		"65 passes":        {put32(slotOffTime, 65), ErrDamaged},
		"little memory":    {put32(slotOffMemory, 7), ErrDamaged},
		"1 GiB":            {put32(slotOffMemory, 1<<20), nil},
		"more than 1 GiB":  {put32(slotOffMemory, 1<<20+1), ErrDamaged},
		"4 TiB":            {put32(slotOffMemory, math.MaxUint32), ErrDamaged},
		"no threads":       {put8(slotOffThreads, 0), ErrDamaged},
		"memory a thread":  {put8(slotOffThreads, 2), ErrDamaged},
		"64 threads":       {func(b []byte) { b[slotOffThreads] = 64; put32(slotOffMemory, 512)(b) }, nil},
		"65 threads":       {func(b []byte) { b[slotOffThreads] = 65; put32(slotOffMemory, 520)(b) }, ErrDamaged},
		"label length":     {put8(slotOffLabelLength, 1), ErrDamaged},
		"before 1970":      {put8(slotOffCreated+7, 0x80), ErrDamaged},
		"after 9999":       {put8(slotOffCreated+5, 1), ErrDamaged},
	}
	for what, c := range cases {
		b := bytes.Clone(slot)
		c.change(b)
		b = fixCRC(b)
		if info, err := ReadSlot(b); !errors.Is(err, c.want) || err != nil && info != (SlotInfo{}) {
			t.Errorf("%s: %v", what, err)
		}
		if c.want == nil {
			continue // opening those would take the memory that they ask for
		}
		if _, err := OpenFullSlot(b, Passphrase("p")); !errors.Is(err, c.want) {
			t.Errorf("%s: open: %v", what, err)
		}
	}
}

func TestLabels(t *testing.T) {
	k := generate(t, SuiteNone)
	for label, ok := range map[string]bool{
		"":                       true,
		"laptop of Zoë":          true,
		"می\u200cخواهم":          true, // a zero-width non-joiner is part of the word
		strings.Repeat("x", 64):  true,
		strings.Repeat("x", 65):  false,
		strings.Repeat("é", 33):  false,
		"\xff":                   false,
		"a\nb":                   false,
		"\x1b[2J":                false,
		"a\u009bb":               false,
		"gpj.\u202etxt":          false,
		"a\u2028b":               false,
		strings.Repeat("é", 32):  true,
		"user@host:/path ~ 100%": true,
	} {
		slot, _, err := k.NewSlot(label, nil, KDFParams{})
		if (err == nil) != ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", label, err)
		}
		if err == nil {
			if info, err := ReadSlot(slot); err != nil || info.Label != label {
				t.Errorf("%q: read as %q, %v", label, info.Label, err)
			}
		}
	}
}

func TestSlotsFitTheirBound(t *testing.T) {
	k := generate(t, SuiteAES256GCM)
	slot, _, err := k.NewPutOnlySlot(strings.Repeat("x", MaxLabel), nil, cheap)
	if err != nil || len(slot) != MaxSlotSize {
		t.Errorf("%d bytes, not %d: %v", len(slot), MaxSlotSize, err)
	}
}

func TestNewSlotChecksParameters(t *testing.T) {
	for _, c := range []struct {
		suite  Suite
		params KDFParams
	}{
		{SuiteAES256GCM, KDFParams{KDF: KDFNone}},
		{SuiteAES256GCM, KDFParams{KDF: KDFArgon2id, Time: 3, Memory: 1<<20 + 1, Threads: 4}},
		{SuiteAES256GCM, KDFParams{KDF: KDFArgon2id, Time: 0, Memory: 64, Threads: 4}},
		{SuiteNone, cheap},
		{SuiteNone, KDFParams{KDF: KDFNone, Time: 1}},
	} {
		k := generate(t, c.suite)
		if _, _, err := k.NewSlot("", nil, c.params); !errors.Is(err, ErrInvalid) {
			t.Errorf("%v with %+v: %v", c.suite, c.params, err)
		}
		// What failed has not used up the first signing key.
		own := k.Slot().Slot
		if _, id, err := k.NewSlot("", nil, fast(c.suite)); err != nil || id != own {
			t.Errorf("%v: %v", c.suite, err)
		}
	}
}

func fast(s Suite) KDFParams {
	_, params := cheapKDF(s)
	return params
}
