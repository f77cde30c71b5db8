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

// otherUser reports whether a request on loopback is from a program of another
// user of the machine. Root's do not count as others: root can do anything, and
// a socket that was closed meanwhile counts as root's.
func otherUser(r *http.Request) bool {
	theirs, err1 := netip.ParseAddrPort(r.RemoteAddr)
	ours, err2 := netip.ParseAddrPort(r.Host) // which has been checked
	if err1 != nil || err2 != nil || !theirs.Addr().Is4() || !ours.Addr().Is4() {
		return false
	}
	sockets, err := os.Open("/proc/net/tcp")
	if err != nil {
		return false
	}
	defer sockets.Close()
	owner, found := ownerOf(sockets, theirs, ours)
	return found && owner != 0 && owner != os.Getuid()
}

// ownerOf finds the user ID of the socket between two addresses in the format
// of /proc/net/tcp, see proc_net_tcp(5).
func ownerOf(sockets io.Reader, local, remote netip.AddrPort) (uid int, found bool) {
	for lines := bufio.NewScanner(sockets); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 || fields[1] != socketAddress(local) || fields[2] != socketAddress(remote) {
			continue
		}
		if uid, err := strconv.Atoi(fields[7]); err == nil {
			return uid, true
		}
	}
	return 0, false
}

func socketAddress(a netip.AddrPort) string {
	ip := a.Addr().As4()
	return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), a.Port())
}
