package hfcli_test

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/hfoauth/hfoauth/hfcli"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func TestSocketOwner(t *testing.T) {
	const table4 = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 20211 1
   1: 0100007F:C350 0200007F:1F90 01 00000000:00000000 00:00000000 00000000  1003        0 20213 1
   2: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1002        0 20212 1
`
	const table6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0000000000000000FFFF00000100007F:C350 0000000000000000FFFF00000200007F:1F90 01 00000000:00000000 00:00000000 00000000  1003        0 20213 1
   1: 0000000000000000FFFF00000100007F:C350 0000000000000000FFFF00000100007F:1F90 01 00000000:00000000 00:00000000 00000000  1002        0 20212 1
`
	theirs, ours := netip.MustParseAddrPort("127.0.0.1:50000"), netip.MustParseAddrPort("127.0.0.1:8080")
	for _, table := range []string{table4, table6} {
		if uid, found := hfcli.OwnerOf(strings.NewReader(table), theirs, ours); uid != 1002 || !found {
			t.Errorf("the owner is %d, %v, want 1002 in:\n%s", uid, found, table)
		}
		_, found := hfcli.OwnerOf(strings.NewReader(table), netip.MustParseAddrPort("127.0.0.1:50001"), ours)
		if found {
			t.Errorf("a socket that does not exist has an owner in:\n%s", table)
		}
	}
}

// A program of another user cannot open the URL, even if it has read the secret
// from the arguments of the browser's command. Only root can test this.
func TestOtherUserIsRefused(t *testing.T) {
	statuses := map[int]int{os.Getuid(): http.StatusSeeOther}
	if os.Getuid() == 0 {
		statuses[65534] = http.StatusForbidden
	}
	for uid, want := range statuses {
		for name, family := range map[string]int{"IPv4": syscall.AF_INET, "IPv6": syscall.AF_INET6} {
			tl := newTool(t)
			tl.login(func() {
				address := tl.screen.find(loginAddress)
				dial := func(_ context.Context, _, address string) (net.Conn, error) {
					return dialAs(uid, family, netip.MustParseAddrPort(address))
				}
				program := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
				if status, _, body := fetch(t, program, address, nil); status != want {
					t.Errorf("a program of user %d with an %s socket gets %d, want %d: %s", uid, name, status, want, body)
				}
				tl.inBrowser(hfoauthtest.Person{Username: "ada"})
			})
		}
	}
}

// Root counts as no other user, and so does a socket that has been closed, which the
// table lists as root's. Only root can test this.
func TestRootIsNoOtherUser(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp4", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := &http.Request{Host: listener.Addr().String(), RemoteAddr: conn.LocalAddr().String()}
	other := make(chan bool)
	go func() {
		if os.Getuid() == 0 {
			runtime.LockOSThread() // for good: the thread ends with the goroutine
			const unchanged = ^uintptr(0)
			syscall.RawSyscall(syscall.SYS_SETRESUID, 65534, unchanged, unchanged)
		}
		other <- hfcli.OtherUser(r)
	}()
	if <-other {
		t.Error("a socket of root's is taken for another user's")
	}
}

// dialAs connects with a socket that a user owns. An IPv6 socket can also connect
// to an IPv4 address (RFC 4038 section 4.2).
func dialAs(uid, family int, address netip.AddrPort) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	dialed := make(chan result)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		syscall.RawSyscall(syscall.SYS_SETFSUID, uintptr(uid), 0, 0)
		fd, err := syscall.Socket(family, syscall.SOCK_STREAM, 0)
		if err != nil {
			dialed <- result{nil, err}
			return
		}
		file := os.NewFile(uintptr(fd), "socket")
		defer file.Close()
		var to syscall.Sockaddr = &syscall.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()}
		if family == syscall.AF_INET6 {
			to = &syscall.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16()}
		}
		if err := syscall.Connect(fd, to); err != nil {
			dialed <- result{nil, err}
			return
		}
		conn, err := net.FileConn(file)
		dialed <- result{conn, err}
	}()
	r := <-dialed
	return r.conn, r.err
}
