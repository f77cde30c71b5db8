package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// problems are what the pages of a browser complain about: console errors,
// uncaught exceptions, violations of a Content-Security-Policy, requests that
// failed or were answered with an error.
type problems struct {
	mu       sync.Mutex
	noted    []string
	expected []string
	watched  map[target.ID]bool
}

// watch records the problems of a tab or frame, including earlier ones.
func (p *problems) watch(ctx context.Context) error {
	chromedp.ListenTarget(ctx, p.note)
	return enable(ctx)
}

// enable makes a tab or frame report its problems.
func enable(ctx context.Context) error {
	return chromedp.Run(ctx, log.Enable(), runtime.Enable(), network.Enable())
}

// watchNew watches the tabs, pop-ups and frames that pages open.
func (p *problems) watchNew(browser context.Context, profile string) {
	chromedp.ListenBrowser(browser, func(event any) {
		created, ok := event.(*target.EventTargetCreated)
		if !ok || (created.TargetInfo.Type != "page" && created.TargetInfo.Type != "iframe") ||
			!p.first(created.TargetInfo.TargetID) {
			return
		}
		go p.watchOpened(browser, profile, created.TargetInfo.TargetID) // fails for what is closed at once
	})
}

// watchOpened is watch for what a page opened. It has a connection of its own,
// because chromedp attaches to a page that is being loaded with a data race.
func (p *problems) watchOpened(browser context.Context, profile string, id target.ID) error {
	text, err := os.ReadFile(filepath.Join(profile, "DevToolsActivePort"))
	if err != nil {
		return err
	}
	port, _, _ := strings.Cut(string(text), "\n")
	conn, _, _, err := ws.Dial(browser, "ws://127.0.0.1:"+port+"/devtools/page/"+string(id))
	if err != nil {
		return err
	}
	defer context.AfterFunc(browser, func() { conn.Close() })()
	defer conn.Close()
	for i, method := range []string{log.CommandEnable, runtime.CommandEnable, network.CommandEnable} {
		if err := wsutil.WriteClientText(conn, fmt.Appendf(nil, `{"id":%d,"method":%q}`, i+1, method)); err != nil {
			return err
		}
	}
	for {
		text, err := wsutil.ReadServerText(conn)
		if err != nil {
			return err
		}
		var message cdproto.Message
		if err := json.Unmarshal(text, &message); err != nil {
			return err
		}
		if event, err := cdproto.UnmarshalMessage(&message); err == nil { // not the answer to a command
			p.note(event)
		}
	}
}

// first reports whether a target was not yet seen.
func (p *problems) first(id target.ID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watched == nil {
		p.watched = map[target.ID]bool{}
	}
	seen := p.watched[id]
	p.watched[id] = true
	return !seen
}

func (p *problems) note(event any) {
	problem := ""
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError && !strings.Contains(e.Entry.URL, "favicon.ico") {
			problem = e.Entry.Text + " " + e.Entry.URL
		}
	case *runtime.EventExceptionThrown:
		problem = e.ExceptionDetails.Error()
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError {
			problem = "console.error: " + arguments(e.Args)
		}
	}
	if problem == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.noted, problem) {
		p.noted = append(p.noted, problem)
	}
}

func arguments(args []*runtime.RemoteObject) string {
	var text []string
	for _, arg := range args {
		text = append(text, string(arg.Value))
	}
	return strings.Join(text, " ")
}

// expect lets a test pass despite problems that contain text, including later ones:
// the test intends them.
func (p *problems) expect(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = append(p.expected, text)
}

// has reports whether a problem that contains text was recorded.
func (p *problems) has(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.noted, func(problem string) bool { return strings.Contains(problem, text) })
}

// check fails the test for problems that it did not expect.
func (p *problems) check(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, problem := range p.noted {
		if !slices.ContainsFunc(p.expected, func(text string) bool { return strings.Contains(problem, text) }) {
			t.Errorf("a page complained: %s", problem)
		}
	}
}
