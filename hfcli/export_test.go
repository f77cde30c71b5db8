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

// OnStep has f called before each step of a renewal.
func OnStep(f func(step string)) { reached = f }

// Recode decodes and encodes a sign-in.
func Recode(kept []byte) ([]byte, error) {
	s, err := decode(kept)
	if err != nil {
		return nil, err
	}
	return s.encode()
}

var CleanHubToken = cleanHubToken
