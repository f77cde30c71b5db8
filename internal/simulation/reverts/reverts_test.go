package main

import "testing"

// TestRevertsApply checks that each revert still finds what it takes out.
func TestRevertsApply(t *testing.T) {
	t.Chdir("../../..")
	for _, r := range reverts {
		if _, err := r.apply(t.TempDir()); err != nil {
			t.Errorf("%s: %v", r.what, err)
		}
	}
}
