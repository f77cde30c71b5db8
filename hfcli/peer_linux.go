package hfcli

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// otherUser reports whether a request on loopback comes from a program of another
// user of the machine. Root does not count as another user: root can do anything,
// and a socket that has been closed belongs to root.
func otherUser(r *http.Request) bool {
	theirs, err1 := netip.ParseAddrPort(r.RemoteAddr)
	ours, err2 := netip.ParseAddrPort(r.Host) // already checked
	if err1 != nil || err2 != nil || !theirs.Addr().Is4() || !ours.Addr().Is4() {
		return false
	}
	// An IPv6 socket reaches an IPv4 address as well (RFC 4038 section 4.2).
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if owner, found := ownerIn(table, theirs, ours); found {
			return owner != 0 && owner != os.Getuid()
		}
	}
	return false
}

func ownerIn(table string, local, remote netip.AddrPort) (uid int, found bool) {
	sockets, err := os.Open(table)
	if err != nil {
		return 0, false
	}
	defer sockets.Close()
	return ownerOf(sockets, local, remote)
}

// ownerOf returns the user ID of the socket between two IPv4 addresses from a
// table in the format of /proc/net/tcp or /proc/net/tcp6 (proc_net_tcp(5)).
func ownerOf(sockets io.Reader, local, remote netip.AddrPort) (uid int, found bool) {
	for lines := bufio.NewScanner(sockets); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 || !isSocketAddress(fields[1], local) || !isSocketAddress(fields[2], remote) {
			continue
		}
		if uid, err := strconv.Atoi(fields[7]); err == nil {
			return uid, true
		}
	}
	return 0, false
}

// isSocketAddress reports whether a field of the table is an IPv4 address or the
// IPv6 address that it maps to (RFC 4291 section 2.5.5.2).
func isSocketAddress(field string, a netip.AddrPort) bool {
	ip := a.Addr().As16()
	mapped := ""
	for word := ip[:]; len(word) > 0; word = word[4:] {
		mapped += fmt.Sprintf("%08X", binary.NativeEndian.Uint32(word))
	}
	port := fmt.Sprintf(":%04X", a.Port())
	return field == mapped[24:]+port || field == mapped+port
}
