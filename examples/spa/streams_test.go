package main

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// follower receives the notes of a user until the session ends.
type follower interface {
	next(t *testing.T) []note
	end(t *testing.T)
}

type eventStream struct{ lines *bufio.Scanner }

func openEvents(t *testing.T, client *http.Client, address string) follower {
	t.Helper()
	resp, err := client.Get(address + "/api/events")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("Content-Type %q of %s", got, resp.Status)
	}
	return eventStream{bufio.NewScanner(resp.Body)}
}

func (s eventStream) line(t *testing.T) string {
	t.Helper()
	for s.lines.Scan() {
		if s.lines.Text() != "" {
			return s.lines.Text()
		}
	}
	t.Fatal("the stream ended without an event that says so")
	return ""
}

func (s eventStream) next(t *testing.T) (notes []note) {
	t.Helper()
	line := s.line(t)
	if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "data: ")), &notes); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return notes
}

func (s eventStream) end(t *testing.T) {
	t.Helper()
	if line := s.line(t); line != "event: end" {
		t.Errorf("the stream continues with %q", line)
	}
}

type socketStream struct{ conn *websocket.Conn }

func openSocket(t *testing.T, client *http.Client, address string) follower {
	t.Helper()
	conn, resp, err := websocket.Dial(t.Context(), address+"/api/socket",
		&websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err, resp)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return socketStream{conn}
}

func (s socketStream) next(t *testing.T) (notes []note) {
	t.Helper()
	if err := wsjson.Read(t.Context(), s.conn, &notes); err != nil {
		t.Fatal(err)
	}
	return notes
}

func (s socketStream) end(t *testing.T) {
	t.Helper()
	_, _, err := s.conn.Read(context.Background())
	if got := websocket.CloseStatus(err); got != websocket.StatusPolicyViolation {
		t.Errorf("the socket ends with %v", err)
	}
}

var streams = map[string]func(*testing.T, *http.Client, string) follower{"EventSource": openEvents,
	"WebSocket": openSocket}

// A stream shows the changes of its user, made anywhere, and ends when the
// user signs out in another tab.
func TestStreams(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	address := startWith(t, hub)
	for name, open := range streams {
		t.Run(name, func(t *testing.T) {
			ada, grace := hub.SignIn(t, address+"/login", "ada"), hub.SignIn(t, address+"/login", "grace")
			adas, graces := open(t, ada, address), open(t, grace, address)
			before := len(adas.next(t))
			graces.next(t)
			send(t, ada, "POST", address+"/api/notes", `{"text":"hello"}`)
			if got := adas.next(t); len(got) != before+1 || got[before].Text != "hello" {
				t.Errorf("the stream shows %v", got)
			}
			send(t, ada, "POST", address+"/logout", "")
			adas.end(t)
			send(t, grace, "POST", address+"/api/notes", `{"text":"still here"}`)
			if got := graces.next(t); got[len(got)-1].Text != "still here" {
				t.Errorf("the stream of another user shows %v", got)
			}
		})
	}
}

func TestStreamsNeedAUser(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	address := startWith(t, hub)
	for _, path := range []string{"/api/events", "/api/socket"} {
		resp, body := send(t, http.DefaultClient, "GET", address+path, "")
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s: %s", path, resp.Status, body)
		}
	}
	ada := hub.SignIn(t, address+"/login", "ada")
	_, resp, err := websocket.Dial(t.Context(), address+"/api/socket",
		&websocket.DialOptions{HTTPClient: ada, HTTPHeader: http.Header{"Origin": {"https://evil.example"}}})
	if err == nil {
		t.Error("a page of another site opens a WebSocket")
	}
	if resp == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("the answer to another site is %v (%v), want 403", resp, err)
	}
}
