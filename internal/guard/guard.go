// Package guard keeps pages of other sites from using a server on loopback that
// acts for the person at the machine.
package guard

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Check returns an error unless a request to the server at own, a host with its
// port, may come from the server's own pages or from a program. Sec-Fetch-Site
// and Origin reveal pages of other sites; Host reveals those whose name was
// changed to resolve to this machine (DNS rebinding).
func Check(own string, r *http.Request) error {
	if !Same(own, r.Host) {
		return fmt.Errorf("this server is %s, not %s", own, r.Host)
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return errors.New("the request was sent by a page of another site")
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
			return fmt.Errorf("the request was sent by a page of %s", origin)
		}
	}
	return nil
}

// Same reports whether host names the server at own. All names of loopback are
// equal.
func Same(own, host string) bool {
	own, host = strings.ToLower(own), strings.ToLower(host)
	ownName, ownPort := SplitPort(own)
	name, port := SplitPort(host)
	return own == host || Loopback(ownName) && Loopback(name) && port == ownPort
}

// Loopback reports whether host, without a port, is localhost or a loopback
// address.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// SplitPort is like net.SplitHostPort, but host need not have a port.
func SplitPort(host string) (name, port string) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		return strings.Trim(host, "[]"), ""
	}
	return name, port
}
