package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/hfoauth/hfoauth"
)

// stream sends the user's notes, now and after each change, until sending fails or
// ctx ends. ctx must end with the session, since a stream outlives the check of its
// request.
func (n *notebooks) stream(ctx context.Context, send func([]note) error) {
	session := hfoauth.SessionFromContext(ctx)
	ctx, stop := session.Context(ctx)
	defer stop()
	changes, unwatch := n.watch(session.User.Sub)
	defer unwatch()
	for send(n.list(session.User.Sub)) == nil {
		select {
		case <-changes:
		case <-ctx.Done():
			return
		}
	}
}

// events serves an EventSource. The last event is named "end" if the session ended,
// so that the page need not wait for the 401 of its next attempt.
func (n *notebooks) events(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Time{}) // net/http would cancel the request at the server's ReadTimeout
	w.Header().Set("Content-Type", "text/event-stream")
	n.stream(r.Context(), func(list []note) error {
		data, err := json.Marshal(list)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "data: %s\n\n", data)
		return control.Flush()
	})
	fmt.Fprint(w, "event: end\ndata:\n\n")
}

// socket serves a WebSocket, whose handshake carries the cookie as well. Other
// sites' pages could open WebSockets, but RequireUser refuses their handshakes.
func (n *notebooks) socket(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	ctx := conn.CloseRead(r.Context()) // ends when the page is closed
	n.stream(ctx, func(list []note) error { return wsjson.Write(ctx, conn, list) })
	conn.Close(websocket.StatusPolicyViolation, "the session has ended")
}
