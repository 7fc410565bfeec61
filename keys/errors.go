package keys

import (
	"errors"
	"fmt"
)

// What can be wrong with a stored object.
var (
	// ErrAuthentication says that bytes are not what a holder of the keys
	// wrote under that name: changed, cut short, moved, or another's.
	ErrAuthentication = errors.New("authentication failed")

	// ErrSignature is the ErrAuthentication of signatures.
	ErrSignature = fmt.Errorf("signature: %w", ErrAuthentication)

	// ErrDamaged says that a slot or an encapsulation is not well formed; a
	// slot's checksum tells this from a wrong passphrase.
	ErrDamaged = errors.New("damaged key material")

	// ErrUnsupported says that a slot was written by a newer garret.
	ErrUnsupported = errors.New("written by a newer version of garret")
)

// What can be wrong with the key that was offered.
var (
	// ErrPassphrase says that the passphrase does not open the slot.
	ErrPassphrase = errors.New("wrong passphrase")

	// ErrPassphraseUnused says that a passphrase was offered to a slot that
	// has none. Whoever offers one expects an encrypted repository; going on
	// would let a hostile server swap in an unencrypted one unnoticed.
	ErrPassphraseUnused = errors.New("a passphrase was given, but the repository is not encrypted")

	// ErrRole says that the slot is of another role.
	ErrRole = errors.New("the key slot has another role")

	// ErrEpoch says that these keys do not reach back, or on, to that epoch.
	ErrEpoch = errors.New("unknown key epoch")
)

// ErrInvalid says that an argument is out of its bounds.
var ErrInvalid = errors.New("invalid argument")
