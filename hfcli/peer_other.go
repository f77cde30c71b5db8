//go:build !linux

package hfcli

import "net/http"

// otherUser cannot tell here whose program sent a request.
func otherUser(*http.Request) bool { return false }
