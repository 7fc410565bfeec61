package formattest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// reader opens a repository in a directory with nothing but what FORMAT.md
// says. The names of its methods are those of the sections there.
type reader struct {
	dir    string
	config config
	keys   keySet
	suite  byte

	sessions map[[8]byte]*session
	packs    map[[16]byte]*packInfo
	rows     map[[32]byte][]row
	frames   map[string][][]byte
}

// config is the config's JSON.
type config struct {
	Format      int       `json:"format"`
	Number      int       `json:"number"`
	Parity      int       `json:"parity"`
	Repository  string    `json:"repository"`
	Suite       string    `json:"suite"`
	Created     time.Time `json:"created"`
	Chunker     chunker   `json:"chunker"`
	FrameSize   int       `json:"frame_size"`
	PackSize    int       `json:"pack_size"`
	Compression string    `json:"compression"`
	PublicKey   string    `json:"public_key"`
	Certifier   string    `json:"certifier"`
}

type chunker struct {
	Algorithm               string `json:"algorithm"`
	Min, Avg, Max, Programs int
}

// keySet is what follows from the repository secret and the private key.
type keySet struct {
	repository []byte // 16 bytes
	epoch      uint32
	dataID, treeID, gear, cut, write,
	index, list, config []byte
	certifier ed25519.PublicKey
	private   hpke.PrivateKey
}

var errFormat = errors.New("not as FORMAT.md says")

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errFormat, fmt.Sprintf(format, args...))
}

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

func crc(parts ...[]byte) uint32 {
	sum := uint32(0)
	for _, p := range parts {
		sum = crc32.Update(sum, castagnoli, p)
	}
	return sum
}

func derive(size int, secret, salt, info []byte) []byte {
	key, err := hkdf.Key(sha256.New, secret, salt, string(info), size)
	if err != nil {
		panic(err)
	}
	return key
}

// label begins an info: label and a zero byte, then the other parts.
func label(l string, parts ...[]byte) []byte {
	return append(append([]byte(l), 0), bytes.Join(parts, nil)...)
}

func u32(v uint32) []byte { return le.AppendUint32(nil, v) }

// read returns a file of the repository.
func (r *reader) read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(r.dir, filepath.FromSlash(name)))
}

// list returns the names of the objects below a folder.
func (r *reader) list(folder string) (names []string, err error) {
	root := filepath.Join(r.dir, folder)
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasPrefix(d.Name(), "tmp-") {
			name, _ := filepath.Rel(r.dir, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return names, err
}

// header checks an object's first 16 bytes.
func header(data []byte, typ byte) error {
	switch {
	case len(data) < 16 || string(data[:6]) != "garret":
		return wrong("no magic")
	case data[6] != typ:
		return wrong("an object of type %q where %q should be", data[6], typ)
	case data[7] != 1 || le.Uint32(data[8:]) != 0:
		return wrong("a newer version")
	}
	return nil
}

// object checks header and CRC32C of a whole object.
func object(data []byte, typ byte) error {
	if err := header(data, typ); err != nil {
		return err
	}
	end := len(data) - 4
	if end < 16 || crc(data[:end]) != le.Uint32(data[end:]) {
		return wrong("CRC32C of an object")
	}
	return nil
}

// twin reads an object's second copy and compares it with the first.
func (r *reader) twin(name string) error {
	first, err := r.read(name)
	if err != nil {
		return err
	}
	second, err := r.read(name + ".2")
	if err == nil && !bytes.Equal(first, second) {
		err = wrong("the second copy of %s", name)
	}
	return err
}

// listTwins lists a folder whose objects are stored twice.
func (r *reader) listTwins(folder string) (names []string, err error) {
	all, err := r.list(folder)
	if err != nil {
		return nil, err
	}
	for _, name := range all {
		if strings.HasSuffix(name, ".2") {
			continue
		}
		if err := r.twin(name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	if 2*len(names) != len(all) {
		return nil, wrong("%d objects in %s, %d with copies", len(names), folder, len(all))
	}
	return names, nil
}

// open reads config and key slot.
func open(dir, passphrase string) (*reader, error) {
	r := &reader{
		dir: dir, sessions: map[[8]byte]*session{}, packs: map[[16]byte]*packInfo{},
		rows: map[[32]byte][]row{}, frames: map[string][][]byte{},
	}
	data, err := r.read("config/1")
	if err != nil {
		return nil, err
	}
	if err := r.twin("config/1"); err != nil {
		return nil, err
	}
	if err := object(data, 'c'); err != nil {
		return nil, err
	}
	signed, mac := data[:len(data)-36], data[len(data)-36:len(data)-4]
	if err := json.Unmarshal(signed[16:], &r.config); err != nil {
		return nil, err
	}
	suites := map[string]byte{"aes256-gcm": 1, "chacha20-poly1305": 2, "none": 3}
	if r.suite = suites[r.config.Suite]; r.suite == 0 || r.config.Format != 1 || r.config.Number != 1 {
		return nil, wrong("config %+v", r.config)
	}
	slots, err := r.listTwins("keys")
	if err != nil || len(slots) != 1 {
		return nil, wrong("slots %v: %v", slots, err)
	}
	if err := r.slot(slots[0], passphrase); err != nil {
		return nil, err
	}
	want := hmac.New(sha256.New, r.keys.config)
	want.Write(signed)
	if !hmac.Equal(want.Sum(nil), mac) {
		return nil, wrong("the config's HMAC")
	}
	if r.config.Repository != fmt.Sprintf("%x", r.keys.repository) ||
		r.config.Certifier != base64.StdEncoding.EncodeToString(r.keys.certifier) ||
		r.config.PublicKey != base64.StdEncoding.EncodeToString(r.keys.private.PublicKey().Bytes()) {
		return nil, wrong("config and slot are of two repositories")
	}
	return r, nil
}

// slot opens a key slot of the full role.
func (r *reader) slot(name, passphrase string) error {
	data, err := r.read(name)
	if err != nil {
		return err
	}
	if err := object(data, 'k'); err != nil {
		return err
	}
	b := data[16 : len(data)-4]
	end := len(b) - 4
	if string(b[:8]) != "garretks" || crc(b[:end]) != le.Uint32(b[end:]) || b[8] != 1 {
		return wrong("the slot's own magic, version or CRC32C")
	}
	role, suite, kdf := b[9], b[10], b[11]
	repository, id := b[20:36], b[36:52]
	labelEnd := 70 + int(b[69])
	salt, head, sealed := b[labelEnd:labelEnd+32], b[:labelEnd+32], b[labelEnd+32:end]
	if role != 1 || suite != r.suite || name != fmt.Sprintf("keys/%x", id) {
		return wrong("slot of role %d and suite %d as %s", role, suite, name)
	}
	stretched := make([]byte, 32)
	if kdf == 1 {
		stretched = argon2.IDKey([]byte(passphrase), salt, le.Uint32(b[60:]), le.Uint32(b[64:]), b[68], 32)
	}
	key := derive(32, stretched, salt, label("garret v1 slot", []byte{suite, role}, repository))
	payload, err := r.aead(key).Open(nil, make([]byte, 12), sealed, head)
	if err != nil {
		return fmt.Errorf("passphrase: %w", err)
	}
	if len(payload) != 32+64+4+32+32 {
		return wrong("a payload of %d bytes", len(payload))
	}
	seed, certificate := payload[:32], payload[32:96]
	secret, private := payload[100:132], payload[132:]
	k := &r.keys
	k.repository, k.epoch = bytes.Clone(repository), le.Uint32(payload[96:])
	for _, f := range []struct {
		label string
		size  int
		key   *[]byte
	}{
		{"garret v1 data id", 32, &k.dataID}, {"garret v1 tree id", 32, &k.treeID},
		{"garret v1 chunker gear", 32, &k.gear}, {"garret v1 chunker cut", 16, &k.cut},
		{"garret v1 write secret", 32, &k.write}, {"garret v1 index key", 32, &k.index},
		{"garret v1 list key", 32, &k.list}, {"garret v1 config key", 32, &k.config},
	} {
		*f.key = derive(f.size, secret, repository, label(f.label))
	}
	certifier := ed25519.NewKeyFromSeed(derive(32, secret, repository, label("garret v1 certifier key")))
	k.certifier = certifier.Public().(ed25519.PublicKey)
	own := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	if !ed25519.Verify(k.certifier, label("garret v1 certificate", repository, id, []byte{role}, own), certificate) {
		return wrong("the slot's certificate")
	}
	k.private, err = hpke.MLKEM768X25519().NewPrivateKey(private)
	return err
}

// verify checks a signature and returns the role that made it.
func (r *reader) verify(domain string, message, sig []byte) (role byte, err error) {
	if len(sig) != 177 {
		return 0, wrong("a signature of %d bytes", len(sig))
	}
	slot, role, public := sig[:16], sig[16], ed25519.PublicKey(sig[17:49])
	certified := label("garret v1 certificate", r.keys.repository, slot, []byte{role}, public)
	d, m := sha256.Sum256([]byte(domain)), sha256.Sum256(message)
	signed := label("garret v1 signature", r.keys.repository, slot, []byte{role}, d[:], m[:])
	if !ed25519.Verify(r.keys.certifier, certified, sig[49:113]) || !ed25519.Verify(public, signed, sig[113:]) {
		return 0, wrong("a signature of %s", domain)
	}
	return role, nil
}
