package hfcli

import (
	"testing"
	"time"
)

// SetClock replaces the clock until the test ends.
func SetClock(t *testing.T, now func() time.Time) {
	clock = now
	t.Cleanup(func() { clock = time.Now })
}

// OnStep makes renewals call f before each step.
func OnStep(f func(step string)) { reached = f }

// Recode decodes and encodes a sign-in.
func Recode(kept []byte) ([]byte, error) {
	s, err := decode(kept)
	if err != nil {
		return nil, err
	}
	return s.encode()
}

var (
	CleanHubToken = cleanHubToken
	NewServer     = newServer
)
