package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
)

// The vectors of https://c2sp.org/XAES-256-GCM.
func TestVectors(t *testing.T) {
	tests := []struct {
		key        byte
		context    string
		ciphertext string
	}{
		{0x01, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{0x03, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	}
	for _, tt := range tests {
		k, err := newKey(bytes.Repeat([]byte{tt.key}, keySize))
		if err != nil {
			t.Fatal(err)
		}
		nonce := []byte("ABCDEFGHIJKLMNOPQRSTUVWX")
		sealed := k.seal(bytes.Clone(nonce), []byte("XAES-256-GCM"), tt.context)
		if got := hex.EncodeToString(sealed[nonceSize:]); got != tt.ciphertext {
			t.Errorf("key %x: sealed %s, want %s", tt.key, got, tt.ciphertext)
		}
		opened, err := k.open(sealed, tt.context)
		if err != nil || string(opened) != "XAES-256-GCM" {
			t.Errorf("key %x: opened %q, %v", tt.key, opened, err)
		}
	}
}

func newSealer(t *testing.T, purpose string, secrets ...string) *Sealer {
	t.Helper()
	var raw [][]byte
	for _, s := range secrets {
		raw = append(raw, []byte(s))
	}
	s, err := New(purpose, raw...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOpensOnlyWhatItSealed(t *testing.T) {
	s := newSealer(t, "session", "secret")
	sealed := s.Seal([]byte("hello"), "cookie")
	if len(sealed) != len("hello")+Overhead {
		t.Errorf("sealed to %d bytes, want %d", len(sealed), len("hello")+Overhead)
	}
	if got, err := s.Open(sealed, "cookie"); err != nil || string(got) != "hello" {
		t.Fatalf("Open = %q, %v", got, err)
	}
	if bytes.Equal(sealed, s.Seal([]byte("hello"), "cookie")) {
		t.Error("two seals of one value are equal")
	}
	for name, open := range map[string]func() ([]byte, error){
		"other context": func() ([]byte, error) { return s.Open(sealed, "cookie2") },
		"other purpose": func() ([]byte, error) { return newSealer(t, "attempt", "secret").Open(sealed, "cookie") },
		"other secret":  func() ([]byte, error) { return newSealer(t, "session", "other").Open(sealed, "cookie") },
		"cut":           func() ([]byte, error) { return s.Open(sealed[:len(sealed)-1], "cookie") },
		"too short":     func() ([]byte, error) { return s.Open(sealed[:Overhead-1], "cookie") },
		"empty":         func() ([]byte, error) { return s.Open(nil, "cookie") },
	} {
		if got, err := open(); !errors.Is(err, ErrOpen) || got != nil {
			t.Errorf("%s: Open = %q, %v, want ErrOpen", name, got, err)
		}
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := s.Open(changed, "cookie"); err == nil {
			t.Errorf("opened with byte %d changed", i)
		}
	}
}

func TestRotation(t *testing.T) {
	before := newSealer(t, "session", "old")
	during := newSealer(t, "session", "new", "old")
	after := newSealer(t, "session", "new")
	if _, err := during.Open(before.Seal([]byte("x"), ""), ""); err != nil {
		t.Error("the old secret no longer opens")
	}
	if _, err := after.Open(during.Seal([]byte("x"), ""), ""); err != nil {
		t.Error("the first secret is not the one that seals")
	}
	if _, err := after.Open(before.Seal([]byte("x"), ""), ""); err == nil {
		t.Error("a dropped secret still opens")
	}
}

func TestNoSecret(t *testing.T) {
	if _, err := New("session"); err == nil {
		t.Error("New without a secret succeeded")
	}
}

// Every bit of a nonce is random: over 100 seals each is both 0 and 1. A fair bit
// fails this with probability 2^-99.
func TestNonces(t *testing.T) {
	s := newSealer(t, "session", "secret")
	var always, never [nonceSize]byte
	for i := range always {
		always[i], never[i] = 0xff, 0xff
	}
	for range 100 {
		for i, b := range s.Seal(nil, "")[:nonceSize] {
			always[i] &= b
			never[i] &= ^b
		}
	}
	for i := range always {
		if stuck := always[i] | never[i]; stuck != 0 {
			t.Errorf("byte %d of the nonce has bits that never change: %08b", i, stuck)
		}
	}
}

func TestEmptyValue(t *testing.T) {
	s := newSealer(t, "session", "secret")
	if plain, err := s.Open(s.Seal(nil, "cookie"), "cookie"); err != nil || len(plain) != 0 {
		t.Errorf("Open = %q, %v, want nothing and no error", plain, err)
	}
}
