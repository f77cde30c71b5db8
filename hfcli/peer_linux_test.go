package hfcli

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func TestSocketOwner(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 20211 1
   1: 0100007F:C350 0200007F:1F90 01 00000000:00000000 00:00000000 00000000  1003        0 20213 1
   2: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1002        0 20212 1
`
	theirs, ours := netip.MustParseAddrPort("127.0.0.1:50000"), netip.MustParseAddrPort("127.0.0.1:8080")
	if uid, found := ownerOf(strings.NewReader(table), theirs, ours); uid != 1002 || !found {
		t.Errorf("the owner is %d, %v, want 1002", uid, found)
	}
	if _, found := ownerOf(strings.NewReader(table), netip.MustParseAddrPort("127.0.0.1:50001"), ours); found {
		t.Error("a socket that does not exist has an owner")
	}
}

// A program of another user cannot open the address, even if it has read the
// secret from the arguments of the browser's command. Only root can play
// another user.
func TestOtherUserIsRefused(t *testing.T) {
	var refused bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { refused = otherUser(r) }))
	defer server.Close()
	users := map[int]bool{os.Getuid(): false}
	if os.Getuid() == 0 {
		users[65534] = true
	}
	for uid, want := range users {
		client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return dialAs(uid, server.Listener.Addr().(*net.TCPAddr).Port)
		}}}
		resp, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		client.CloseIdleConnections()
		if refused != want {
			t.Errorf("a program of user %d: refused is %v, want %v", uid, refused, want)
		}
	}
}

// dialAs connects by a socket that a user owns.
func dialAs(uid, port int) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	dialed := make(chan result)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		syscall.RawSyscall(syscall.SYS_SETFSUID, uintptr(uid), 0, 0)
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		if err != nil {
			dialed <- result{nil, err}
			return
		}
		file := os.NewFile(uintptr(fd), "socket")
		defer file.Close()
		if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			dialed <- result{nil, err}
			return
		}
		conn, err := net.FileConn(file)
		dialed <- result{conn, err}
	}()
	r := <-dialed
	return r.conn, r.err
}
