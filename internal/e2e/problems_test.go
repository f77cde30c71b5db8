package e2e

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
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
func (p *problems) watchNew(browser context.Context) {
	chromedp.ListenBrowser(browser, func(event any) {
		created, ok := event.(*target.EventTargetCreated)
		if !ok || (created.TargetInfo.Type != "page" && created.TargetInfo.Type != "iframe") ||
			!p.first(created.TargetInfo.TargetID) {
			return
		}
		go func() {
			ctx, cancel := chromedp.NewContext(browser, chromedp.WithTargetID(created.TargetInfo.TargetID))
			context.AfterFunc(browser, cancel)
			p.watch(ctx) // fails for what is closed at once
		}()
	})
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
