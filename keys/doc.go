// Package keys holds the secrets of a repository: who may do what with it,
// and how its objects are sealed and signed.
//
// A Full set of keys does everything. A Put set, which a put-only client
// has, stores: it computes blob IDs, cuts chunks, seals packs, segments and
// snapshot headers, and signs; it also lists, and reads segments and headers.
// It has no method that recovers the session of a stored pack, and nothing in
// it from which one could be written. Keys are kept in slots, each of which a
// passphrase opens.
//
// Integers are little-endian except in nonces. "‖" joins bytes, "0" after a
// label is a zero byte, and long(x) is len(x) as u64 ‖ x. Labels are the
// constants of derive.go. HKDF is HKDF-SHA-256 (RFC 5869), written
// HKDF(secret, salt, info).
//
// # Repository keys
//
//	key       = HKDF(repository secret 32, repository id 16, label ‖ 0)
//	            of 32 bytes each: the ID keys (data, tree), the chunker's gear
//	            key, the write secret, the index, list and config keys, the
//	            seed of the certifier's Ed25519 key; of 16 bytes: the
//	            chunker's cut key
//	blob ID   = HMAC-SHA-256(ID key of its kind, plaintext)
//	config    : HMAC-SHA-256(config key, bytes)
//	key pair  = HPKE's MLKEM768-X25519 from a random seed of 32 bytes, which
//	            is independent of the repository secret
//
// # Sessions and packs
//
//	HPKE (RFC 9180 and draft-ietf-hpke-pq): base mode, KEM MLKEM768-X25519
//	0x647a, KDF HKDF-SHA256, AEAD export-only,
//	info      = "garret v1 session" ‖ 0 ‖ repository id 16 ‖ epoch u32
//	encapsulation: 1120 bytes
//	exported  = Export("garret v1 session secret", 32)
//	session secret = exported 32 ‖ write secret 32
//	pack key  = HKDF(session secret, pack id 16,
//	            "garret v1 pack" ‖ 0 ‖ repository id 16 ‖ epoch u32 ‖ kind u8 ‖ suite u8)
//	nonce     = 8 zero bytes ‖ ordinal of the frame, u32 big-endian
//
// Storing takes the public key and the write secret; reading takes the
// private key too; forging takes the write secret. A server has none.
//
// # Sealed objects
//
// Leases and snapshot headers (list key), segments (index key), a snapshot's
// details (session secret):
//
//	epoch u32, of the keys
//	salt 32, random
//	page 0    64 KiB of plaintext, sealed: ciphertext and tag of 16 bytes
//	page 1    …
//	last page 1 byte to 64 KiB; only that of an empty plaintext is empty
//
//	key       = HKDF(purpose's key, salt, purpose's label ‖ 0 ‖ repository id 16 ‖
//	            epoch u32 ‖ suite u8 ‖ long(name) ‖ long(aad))
//	nonce     = page number, 11 bytes big-endian ‖ 1 if it is the last page, else 0
//
// Name and aad are not stored. The AEAD itself gets no associated data.
//
// # Suites
//
// AES-256-GCM, ChaCha20-Poly1305, and none, whose ciphertext is the plaintext
// and whose tag is
//
//	HMAC-SHA-256(key, nonce 12 ‖ len(aad) u64 ‖ aad ‖ plaintext)[:16]
//
// # Signatures
//
//	  0  16  slot id
//	 16   1  role: 1 full, 2 put-only
//	 17  32  the slot's Ed25519 public key (RFC 8032)
//	 49  64  certificate: the certifier's Ed25519 signature of
//	         "garret v1 certificate" ‖ 0 ‖ repository id ‖ slot id ‖ role ‖ public key
//	113  64  the slot's Ed25519 signature of
//	         "garret v1 signature" ‖ 0 ‖ repository id ‖ slot id ‖ role ‖
//	         SHA-256(domain) ‖ SHA-256(message)
//
// # Slots
//
//	  0   8  magic "garretks"
//	  8   1  version: 1
//	  9   1  role: 1 full, 2 put-only
//	 10   1  suite: 1 AES-256-GCM, 2 ChaCha20-Poly1305, 3 none
//	 11   1  KDF: 1 Argon2id version 0x13 (RFC 9106), 2 none
//	 12   4  read features: 0; others make the slot unreadable
//	 16   4  write features: 0
//	 20  16  repository id
//	 36  16  slot id
//	 52   8  created, seconds since 1970
//	 60   4  Argon2id passes: 1 to 64
//	 64   4  Argon2id memory, KiB: 8 a thread to 2^20
//	 68   1  Argon2id threads: 1 to 64
//	 69   1  n, length of the label: 0 to 64
//	 70   n  label, UTF-8
//	      32 salt, random
//	         payload, sealed: its ciphertext and tag of 16 bytes
//	      4  CRC32C of all before it
//
//	stretched = Argon2id(passphrase, salt, 32 bytes), or 32 zero bytes
//	key       = HKDF(stretched, salt, "garret v1 slot" ‖ 0 ‖ suite u8 ‖ role u8 ‖ repository id 16)
//	nonce     = zeros; associated data = everything before the payload
//
//	full      signing seed 32 ‖ certificate 64 ‖ epoch u32 ‖ repository secret 32 ‖
//	          private key's seed 32
//	put-only  signing seed 32 ‖ certificate 64 ‖ epoch u32 ‖ data ID key 32 ‖
//	          tree ID key 32 ‖ gear key 32 ‖ cut key 16 ‖ write secret 32 ‖
//	          index key 32 ‖ list key 32 ‖ config key 32 ‖
//	          certifier's public key 32 ‖ HPKE public key 1216
//
// KDF none and suite none go together: then anyone who can read the slot has
// every key, and tags show damage, not intent.
package keys
