package keys

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"unsafe"

	"golang.org/x/crypto/argon2"
	"golang.org/x/sys/unix"
)

// Passphrase is what a person types: bytes, taken as they are. It is not
// shown by the fmt package.
type Passphrase []byte

// String hides the passphrase.
func (Passphrase) String() string { return "(passphrase)" }

// GoString hides the passphrase.
func (Passphrase) GoString() string { return "(passphrase)" }

// KDF names a way from a passphrase to a key.
type KDF uint8

// The KDFs. The numbers are stored.
const (
	KDFArgon2id KDF = 1 // RFC 9106
	KDFNone     KDF = 2 // no passphrase, the key is zeros: for SuiteNone only
)

// String returns "argon2id" or "none".
func (f KDF) String() string {
	switch f {
	case KDFArgon2id:
		return "argon2id"
	case KDFNone:
		return "none"
	}
	return fmt.Sprintf("kdf(%d)", uint8(f))
}

// Bounds of the Argon2id parameters, as much as any slot may ask of who opens
// it.
const (
	maxKDFTime    = 64
	maxKDFMemory  = 1 << 20 // KiB
	maxKDFThreads = 64
)

// KDFParams are the costs of a key derivation.
type KDFParams struct {
	KDF     KDF
	Time    uint32 // passes, 1 to 64; 0 with KDFNone
	Memory  uint32 // KiB, 8 for each thread to 1 GiB; 0 with KDFNone
	Threads uint8  // lanes, 1 to 64; 0 with KDFNone
}

// DefaultKDF returns the parameters for new slots: RFC 9106's second
// recommended choice (t=3, 64 MiB, p=4), or none where there is nothing to
// protect.
func (s Suite) DefaultKDF() KDFParams {
	if s == SuiteNone {
		return KDFParams{KDF: KDFNone}
	}
	return KDFParams{KDF: KDFArgon2id, Time: 3, Memory: 64 << 10, Threads: 4}
}

// check bounds the parameters and pairs them with the suite: a slot that
// wants no passphrase for an encrypted repository is never believed.
func (p KDFParams) check(suite Suite) error {
	if (p.KDF == KDFNone) != (suite == SuiteNone) {
		return fmt.Errorf("key derivation %v with encryption %v", p.KDF, suite)
	}
	switch p.KDF {
	case KDFNone:
		if p != (KDFParams{KDF: KDFNone}) {
			return fmt.Errorf("key derivation none with parameters")
		}
		return nil
	case KDFArgon2id:
		if p.Time < 1 || p.Time > maxKDFTime || p.Threads < 1 || p.Threads > maxKDFThreads ||
			p.Memory < 8*uint32(p.Threads) || p.Memory > maxKDFMemory {
			return fmt.Errorf("argon2id parameters out of bounds: %d passes, %d KiB, %d threads", p.Time, p.Memory, p.Threads)
		}
		return nil
	}
	return fmt.Errorf("unknown key derivation %v", p.KDF)
}

// key derives keySize bytes; p has been checked. A passphrase is refused
// where none is used.
func (p KDFParams) key(pass Passphrase, salt []byte) ([]byte, error) {
	if p.KDF == KDFNone {
		if len(pass) > 0 {
			return nil, ErrPassphraseUnused
		}
		return make([]byte, keySize), nil
	}
	warmHeap(int(p.Memory) << 10)
	key := argon2.IDKey(pass, salt, p.Time, p.Memory, p.Threads, keySize)
	// The program's other work needs less than the derivation did; without
	// this it would keep that much until the runtime got round to it.
	debug.FreeOSMemory()
	return key, nil
}

// hugePage is the size of a large page on most machines, bytes.
const hugePage = 2 << 20

// warmHeap makes it likely that the next n bytes that are allocated in one piece
// lie on large pages that are resident. Argon2 reads its memory before it writes
// to it, and so faults every page in twice, the second time with an interrupt
// for the other processors that work on it: half of the derivation's time on
// some virtual machines. That the allocator takes what was just freed is likely
// only; otherwise nothing is gained.
func warmHeap(n int) {
	if n < 4*hugePage {
		return
	}
	b := make([]byte, n)
	whole := b[-uintptr(unsafe.Pointer(&b[0]))&(hugePage-1):]
	_ = unix.Madvise(whole[:len(whole)&^(hugePage-1)], unix.MADV_HUGEPAGE) // it may be refused
	for i := 0; i < n; i += os.Getpagesize() {
		b[i] = 1
	}
	runtime.KeepAlive(b)
	runtime.GC()
}
