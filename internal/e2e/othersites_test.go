package e2e

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// cookies returns the cookies that a browser sends to an address.
func (b *browser) cookies(address string) map[string]string {
	b.t.Helper()
	values := map[string]string{}
	b.run(b.ctx, chromedp.ActionFunc(func(ctx context.Context) error {
		cookies, err := network.GetCookies().WithURLs([]string{address}).Do(ctx)
		for _, cookie := range cookies {
			values[cookie.Name] = cookie.Value
		}
		return err
	}))
	return values
}

// signInAt signs in at the app in a tab of its own.
func (s *space) signInAt(b *browser, name string) {
	b.t.Helper()
	b.run(b.ctx, chromedp.Navigate(s.app+"/"), chromedp.Click("[data-hfoauth-login]"),
		chromedp.WaitVisible(`[name=user]`), chromedp.SetValue(`[name=user]`, name),
		chromedp.Click(`button[value=approve]`))
	b.says(b.ctx, "Start page of "+name)
}

// A sibling domain's cookie, whose name begins with white space that is neither
// space nor tab, is not taken for the app's own.
func TestCookieOfASibling(t *testing.T) {
	s := newSpace(t, spaceOptions{})
	attacker := newBrowser(t, browserOptions{})
	s.signInAt(attacker, "grace")
	session := attacker.cookies(s.app)
	maps.DeleteFunc(session, func(name, _ string) bool { return strings.Contains(name, "-pause-") })
	if len(session) != 1 {
		t.Fatalf("%d cookies of a session, want one", len(session))
	}
	b := newBrowser(t, browserOptions{})
	s.signInAt(b, "ada")
	for name, value := range session {
		for _, suffix := range []string{"", "-frame"} {
			cookie := "\u2000" + name + suffix + "=" + value + "; Domain=app.test; Path=/; Secure; SameSite=None"
			b.run(b.ctx, chromedp.Navigate(s.sibling+"/?cookie="+url.QueryEscape(cookie)))
		}
	}
	tossed := 0
	for name := range b.cookies(s.app) {
		if strings.HasPrefix(name, "\u2000") {
			tossed++
		}
	}
	if tossed != 2 {
		t.Fatalf("the browser keeps %d cookies of the sibling, want two", tossed)
	}
	b.run(b.ctx, chromedp.Navigate(s.app+"/"))
	b.says(b.ctx, "Start page of ada")
}

// acceptWebSocket answers any handshake (RFC 6455 section 4.2.2): it checks
// nothing itself.
func acceptWebSocket(w http.ResponseWriter, r *http.Request) {
	const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	hash := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + guid))
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Sec-WebSocket-Accept", base64.StdEncoding.EncodeToString(hash[:]))
	w.WriteHeader(http.StatusSwitchingProtocols)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	conn.Close()
}

// openSocket is a page that opens a WebSocket to the app.
func openSocket(w http.ResponseWriter, app string) {
	fmt.Fprintf(w, `<!DOCTYPE html><title>Socket</title><p>waiting<script>
		const socket = new WebSocket(%q);
		let opened = false;
		socket.onopen = () => { opened = true; };
		socket.onclose = () => { document.querySelector("p").textContent = opened ? "it opened" : "it was refused"; };
	</script>`, strings.Replace(app, "https:", "wss:", 1)+"/socket")
}

func TestWebSocketOfAnotherSite(t *testing.T) {
	s := newSpace(t, spaceOptions{})
	b := newBrowser(t, browserOptions{})
	s.signInAt(b, "ada")
	b.expect("WebSocket connection to")
	b.run(b.ctx, chromedp.Evaluate(`new Promise((done) => {
		const socket = new WebSocket("/socket");
		socket.onopen = () => done("open");
		socket.onerror = () => done("refused");
	}).then((state) => { document.body.textContent = "our own is " + state; })`, nil, awaitPromise))
	b.says(b.ctx, "our own is open")
	b.run(b.ctx, chromedp.Navigate(strings.Replace(s.app, "app.test", "evil.test", 1)+"/socket"))
	b.says(b.ctx, "it was refused")
}
