package e2e

import "time"

// eventually tells whether a condition comes to hold within twenty seconds.
func eventually(condition func() bool) bool {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-ticker.C {
		if condition() {
			return true
		}
	}
	return false
}
