// Package seal encrypts and authenticates small values with XAES-256-GCM
// (C2SP, https://c2sp.org/XAES-256-GCM): AES-256-GCM with a key derived for
// each message from a random 192-bit nonce. One secret may thus seal any number
// of values; random 96-bit nonces would limit it to 2^32 (NIST SP 800-38D,
// section 8.3).
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
)

const (
	keySize   = 32
	nonceSize = 24
	tagSize   = 16

	// Overhead is the number of bytes by which a sealed value is longer than
	// its plaintext.
	Overhead = nonceSize + tagSize
)

// ErrOpen means that a value was not sealed by this Sealer for this context, or
// was modified since.
var ErrOpen = errors.New("seal: value cannot be opened")

// Sealer seals values for one purpose. It is safe for concurrent use.
type Sealer struct {
	keys []key
}

// New returns a Sealer whose keys are derived from secrets by HKDF-SHA-256
// (RFC 5869) with the purpose as info: a value sealed for one purpose never
// opens for another. The first secret seals; all of them open.
func New(purpose string, secrets ...[]byte) (*Sealer, error) {
	if len(secrets) == 0 {
		return nil, errors.New("seal: no secret given")
	}
	s := &Sealer{}
	for _, secret := range secrets {
		derived, err := hkdf.Key(sha256.New, secret, nil, purpose, keySize)
		if err != nil {
			return nil, fmt.Errorf("seal: deriving a key: %w", err)
		}
		k, err := newKey(derived)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, k)
	}
	return s, nil
}

// Seal encrypts plaintext and binds it to context, which must be passed to Open.
func (s *Sealer) Seal(plaintext []byte, context string) []byte {
	sealed := make([]byte, nonceSize, Overhead+len(plaintext))
	rand.Read(sealed)
	return s.keys[0].seal(sealed, plaintext, context)
}

// Open returns the plaintext of a value sealed under any of the secrets, or
// ErrOpen.
func (s *Sealer) Open(sealed []byte, context string) ([]byte, error) {
	if len(sealed) < Overhead {
		return nil, ErrOpen
	}
	for i := range s.keys {
		if plaintext, err := s.keys[i].open(sealed, context); err == nil {
			return plaintext, nil
		}
	}
	return nil, ErrOpen
}

// key is a secret prepared for XAES-256-GCM: the AES block and the subkey of
// its CMAC (NIST SP 800-38B, section 6.1).
type key struct {
	block  cipher.Block
	subkey [aes.BlockSize]byte
}

func newKey(secret []byte) (key, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return key{}, fmt.Errorf("seal: %w", err)
	}
	k := key{block: block}
	block.Encrypt(k.subkey[:], k.subkey[:])
	var carry byte
	for i := len(k.subkey) - 1; i >= 0; i-- {
		k.subkey[i], carry = k.subkey[i]<<1|carry, k.subkey[i]>>7
	}
	k.subkey[len(k.subkey)-1] ^= carry * 0x87
	return k, nil
}

// aead derives the message key from the first half of the nonce.
func (k *key) aead(nonce []byte) (cipher.AEAD, error) {
	derived := make([]byte, keySize)
	for i := range 2 {
		m := derived[i*aes.BlockSize:][:aes.BlockSize]
		m[1], m[2] = byte(i+1), 'X'
		copy(m[4:], nonce[:12])
		subtle.XORBytes(m, m, k.subkey[:])
		k.block.Encrypt(m, m)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (k *key) seal(nonce, plaintext []byte, context string) []byte {
	aead, err := k.aead(nonce)
	if err != nil {
		panic("seal: AES-256-GCM is missing: " + err.Error()) // the key has the right size
	}
	return aead.Seal(nonce, nonce[12:nonceSize], plaintext, []byte(context))
}

func (k *key) open(sealed []byte, context string) ([]byte, error) {
	aead, err := k.aead(sealed)
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, sealed[12:nonceSize], sealed[nonceSize:], []byte(context))
}
