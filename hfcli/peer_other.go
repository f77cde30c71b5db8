//go:build !linux

package hfcli

import "net/http"

// otherUser returns false: it cannot determine which user sent a request.
func otherUser(*http.Request) bool { return false }
