package main

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/textproto"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// program is the built gallery.
var program string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "gallery")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "gallery")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// site is a running gallery; browsers know its pages by their paths.
type site struct {
	*testing.T
	URL    string
	hub    *hfoauthtest.Server
	env    []string
	stdout string // the file of what it prints
	stop   func()
}

// start runs the program until the test ends, with its pictures in data and with
// env in addition.
func start(t *testing.T, hub *hfoauthtest.Server, data string, env ...string) *site {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	s := &site{T: t, URL: "http://localhost:" + port, hub: hub}
	s.env = append([]string{"PORT=" + port, "PATH=" + os.Getenv("PATH")}, env...)
	s.run(data)
	return s
}

// restart ends the program as a platform does, and runs it again.
func (s *site) restart(data string) {
	s.Helper()
	s.stop()
	s.run(data)
}

func (s *site) run(data string) {
	s.Helper()
	output, err := os.Create(filepath.Join(s.TempDir(), "stdout"))
	if err != nil {
		s.Fatal(err)
	}
	ctx, kill := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, program)
	command.Env = append(slices.Clone(s.env), "DATA_DIR="+data)
	command.Stdout = output
	if err := command.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { kill(); command.Wait(); output.Close() })
	s.stdout = output.Name()
	s.stop = func() {
		command.Process.Signal(syscall.SIGTERM)
		if err := command.Wait(); err != nil {
			s.Errorf("stopped: %v", err)
		}
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for range 1000 { // twenty seconds: real time, with room
		if resp, err := http.Get(s.URL + "/"); err == nil {
			resp.Body.Close()
			return
		}
		<-ticker.C
	}
	s.Fatal("the program does not respond")
}

// newSite starts a gallery that signs in at a new hub.
func newSite(t *testing.T) *site {
	t.Helper()
	hub := hfoauthtest.NewServer(t)
	return start(t, hub, t.TempDir(), register(hub)...)
}

func register(hub *hfoauthtest.Server) (env []string) {
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{"http://localhost/login/callback"}})
	return []string{"OAUTH_CLIENT_ID=" + app.ClientID, "OAUTH_CLIENT_SECRET=" + app.ClientSecret,
		"OPENID_PROVIDER_URL=" + hub.URL}
}

// signIn signs in a user who grants orgs, and returns their browser, which follows
// no redirects from then on.
func (s *site) signIn(username string, orgs ...string) *http.Client {
	s.Helper()
	browser := s.hub.Browser(hfoauthtest.Person{Username: username, Orgs: orgs})
	s.Cleanup(browser.CloseIdleConnections)
	if resp, _ := s.do(browser, "GET", "/login", nil); resp.StatusCode != http.StatusOK {
		s.Fatalf("signing in as %s: %s", username, resp.Status)
	}
	browser.CheckRedirect = stay
	return browser
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// do sends a request with header lines ("Accept", "text/html", …).
func (s *site) do(browser *http.Client, method, path string, body io.Reader,
	header ...string) (*http.Response, string) {
	s.Helper()
	req, err := http.NewRequest(method, s.URL+path, body)
	if err != nil {
		s.Fatal(err)
	}
	for line := range slices.Chunk(header, 2) {
		req.Header.Set(line[0], line[1])
	}
	resp, err := browser.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return resp, string(text)
}

func (s *site) get(browser *http.Client, path string) (status int, body string) {
	s.Helper()
	resp, body := s.do(browser, "GET", path, nil)
	return resp.StatusCode, body
}

// post uploads a file that the browser declares to be a PNG.
func (s *site) post(browser *http.Client, path, caption string, data []byte,
	header ...string) (*http.Response, string) {
	s.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	form.WriteField("caption", caption)
	if data != nil {
		part, _ := form.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {`form-data; name="picture"; filename="picture.png"`},
			"Content-Type":        {"image/png"},
		})
		part.Write(data)
	}
	form.Close()
	return s.do(browser, "POST", path, &body, append(header, "Content-Type", form.FormDataContentType())...)
}

var pictureAddress = regexp.MustCompile(`href="(/pictures/[^"]+)"`)

// add uploads a picture and returns its address, which is the first in page.
func (s *site) add(browser *http.Client, path, page, caption string) string {
	s.Helper()
	resp, body := s.post(browser, path, caption, pngPicture)
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != page {
		s.Fatalf("adding %s: %s to %q: %s", caption, resp.Status, resp.Header.Get("Location"), body)
	}
	_, body = s.get(browser, page)
	address := pictureAddress.FindStringSubmatch(body)
	if address == nil || !strings.Contains(body, caption) {
		s.Fatalf("%s is not listed: %s", caption, body)
	}
	return address[1]
}

// encoded returns a picture of one pixel.
func encoded(encode func(io.Writer, image.Image) error) []byte {
	var b bytes.Buffer
	if err := encode(&b, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		panic(err)
	}
	return b.Bytes()
}

var (
	pngPicture  = encoded(png.Encode)
	jpegPicture = encoded(func(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, nil) })
	gifPicture  = encoded(func(w io.Writer, m image.Image) error { return gif.Encode(w, m, nil) })
	webpPicture = []byte("RIFF\x1a\x00\x00\x00WEBPVP8L" +
		"\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00")
)

// padded is a PNG picture of n bytes.
func padded(n int) []byte {
	return append(slices.Clone(pngPicture), make([]byte, n-len(pngPicture))...)
}

// Without configuration: the test fills in the stand-in's consent page.
func TestWithoutConfiguration(t *testing.T) {
	s := start(t, nil, t.TempDir())
	printed, err := os.ReadFile(s.stdout)
	if err != nil {
		t.Error(err)
	}
	for _, want := range []string{"stand-in", s.URL} {
		if !strings.Contains(string(printed), want) {
			t.Errorf("prints %q, want %q in it", printed, want)
		}
	}
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar}
	_, start := s.get(browser, "/")
	if !strings.Contains(start, "Sign in with Hugging Face") {
		t.Errorf("start page, signed out, has no button: %s", start)
	}
	if strings.Contains(start, "<form") {
		t.Errorf("start page, signed out, has a form: %s", start)
	}
	resp, page := s.do(browser, "GET", "/login", nil, "Accept", "text/html")
	action := regexp.MustCompile(`action="([^"]*)"`).FindStringSubmatch(page)
	if action == nil {
		t.Fatalf("no consent page: %s %s", resp.Status, page)
	}
	target, err := resp.Request.URL.Parse(html.UnescapeString(action[1]))
	if err != nil {
		t.Fatal(err)
	}
	signedIn, err := browser.PostForm(target.String(), url.Values{"user": {"ada"}, "decision": {"approve"}})
	if err != nil {
		t.Fatal(err)
	}
	signedIn.Body.Close()
	resp, page = s.post(browser, "/pictures", "a loom of numbers", pngPicture)
	if resp.StatusCode != http.StatusOK {
		t.Errorf("start page: %s, want 200", resp.Status)
	}
	for _, want := range []string{`alt="a loom of numbers"`, `href="/albums/engines"`, `action="/logout"`} {
		if !strings.Contains(page, want) {
			t.Errorf("start page lacks %s: %s", want, page)
		}
	}
}

func TestOnlyOnesOwn(t *testing.T) {
	s := newSite(t)
	ada, grace := s.signIn("ada"), s.signIn("grace")
	hers := s.add(ada, "/pictures", "/", "the loom of ada")
	other := s.add(grace, "/pictures", "/", "the moth of grace")

	resp, body := s.do(ada, "GET", hers, nil)
	if resp.StatusCode != http.StatusOK || body != string(pngPicture) {
		t.Errorf("her own: %s %q", resp.Status, body)
	}
	for name, want := range map[string]string{
		"Content-Type":                 "image/png",
		"X-Content-Type-Options":       "nosniff",
		"Content-Disposition":          "inline",
		"Content-Security-Policy":      "default-src 'none'; sandbox",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cache-Control":                "private, no-cache",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	again, _ := s.do(ada, "GET", hers, nil, "If-None-Match", resp.Header.Get("ETag"))
	if again.StatusCode != http.StatusNotModified {
		t.Errorf("again: %s, want 304", again.Status)
	}
	if _, page := s.get(ada, "/"); strings.Contains(page, "moth") || strings.Contains(page, other) {
		t.Errorf("ada sees grace's: %s", page)
	}
	if _, page := s.get(grace, "/"); strings.Contains(page, "loom") || strings.Contains(page, hers) {
		t.Errorf("grace sees ada's: %s", page)
	}

	// Another user's picture cannot be distinguished from a missing one.
	answer := func(method, path string, header ...string) string {
		resp, body := s.do(grace, method, path, nil, header...)
		resp.Header.Del("Date")
		return fmt.Sprint(resp.Status, resp.Header, body)
	}
	nobodys := "/pictures/" + strings.Repeat("A", 26)
	got, want := answer("GET", hers, "If-None-Match", resp.Header.Get("ETag")), answer("GET", nobodys)
	if got != want || !strings.HasPrefix(got, "404") {
		t.Errorf("not hers: %s, missing: %s", got, want)
	}
	got, want = answer("POST", hers+"/delete"), answer("POST", nobodys+"/delete")
	if got != want || !strings.HasPrefix(got, "404") {
		t.Errorf("deleting what is not hers: %s, missing: %s", got, want)
	}

	resp, _ = s.do(ada, "POST", hers+"/delete", nil)
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/" {
		t.Errorf("deleting: %s", resp.Status)
	}
	if status, _ := s.get(ada, hers); status != http.StatusNotFound {
		t.Errorf("deleted: %d", status)
	}
	if status, _ := s.get(grace, other); status != http.StatusOK {
		t.Errorf("grace's after that: %d", status)
	}
}

func TestWhoMayAsk(t *testing.T) {
	s := newSite(t)
	ada, nobody := s.signIn("ada", "engines"), &http.Client{CheckRedirect: stay}
	picture := s.add(ada, "/pictures", "/", "a loom")
	crossSite := []string{"Sec-Fetch-Site", "cross-site", "Accept", "text/html"}
	otherOrigin := []string{"Origin", "https://evil.example"}
	for _, c := range []struct {
		browser      *http.Client
		method, path string
		header       []string
		status       int
		location     string
	}{
		{nobody, "GET", picture, []string{"Accept", "text/html"}, 303, "/login?next=" + url.QueryEscape(picture)},
		{nobody, "GET", picture, []string{"Accept", "image/*"}, 401, ""},
		{nobody, "GET", "/albums/engines", []string{"Accept", "text/html"}, 303, "/login?next=%2Falbums%2Fengines"},
		{nobody, "POST", "/pictures", nil, 401, ""},
		{nobody, "POST", "/albums/engines", nil, 401, ""},
		{nobody, "POST", picture + "/delete", nil, 401, ""},
		{ada, "POST", "/pictures", crossSite, 403, ""},
		{ada, "POST", "/pictures", otherOrigin, 403, ""},
		{ada, "POST", "/albums/engines", crossSite, 403, ""},
		{ada, "POST", "/albums/engines", otherOrigin, 403, ""},
		{ada, "POST", picture + "/delete", crossSite, 403, ""},
		{ada, "POST", picture + "/delete", otherOrigin, 403, ""},
		{ada, "GET", picture + "/delete", nil, 405, ""},
		{ada, "GET", "/albums/nowhere", nil, 403, ""},
		{ada, "GET", "/albums/Analytical%20Engines", nil, 403, ""}, // a display name is no name
	} {
		send := func() (*http.Response, string) { return s.do(c.browser, "GET", c.path, nil, c.header...) }
		if c.method == "POST" {
			send = func() (*http.Response, string) {
				return s.post(c.browser, c.path, "forged", pngPicture, c.header...)
			}
		}
		resp, _ := send()
		if resp.StatusCode != c.status || resp.Header.Get("Location") != c.location {
			t.Errorf("%s %s %v: %s to %q", c.method, c.path, c.header, resp.Status, resp.Header.Get("Location"))
		}
	}
	if _, page := s.get(ada, "/"); strings.Contains(page, "forged") || !strings.Contains(page, picture) {
		t.Errorf("after that: %s", page)
	}
}

func TestUploads(t *testing.T) {
	s := newSite(t)
	ada := s.signIn("ada", "engines")
	for _, c := range []struct {
		name    string
		caption string
		data    []byte
		status  int
		served  string // Content-Type, or what the page says
	}{
		{"png", "a loom", pngPicture, 303, "image/png"},
		{"jpeg", "a loom", jpegPicture, 303, "image/jpeg"},
		{"gif", "a loom", gifPicture, 303, "image/gif"},
		{"webp", "a loom", webpPicture, 303, "image/webp"},
		{"gif that is a page, too", "a loom", []byte("GIF89a<script>alert(1)</script>"), 303, "image/gif"},
		{"5 MiB", "a loom", padded(5 << 20), 303, "image/png"},
		{"one byte more", "a loom", padded(5<<20 + 1), 413, "no more than 5 MiB"},
		{"much more", "a loom", padded(6 << 20), 413, "no more than 5 MiB"},
		{"much more beside the picture", strings.Repeat("a", 6<<20), pngPicture, 413, "no more than 5 MiB"},
		{"page", "a loom", []byte("<!DOCTYPE html><script>alert(1)</script>"), 415, "not a PNG"},
		{"svg", "a loom", []byte(`<svg xmlns="http://www.w3.org/2000/svg"></svg>`), 415, "not a PNG"},
		{"bmp", "a loom", []byte("BM\x1e\x00\x00\x00"), 415, "not a PNG"},
		{"empty file", "a loom", []byte{}, 415, "not a PNG"},
		{"no file", "a loom", nil, 400, "Choose a picture"},
		{"no caption", " \n", pngPicture, 400, "Write a caption"},
		{"500 letters", strings.Repeat("ö", 500), pngPicture, 303, "image/png"},
		{"501 letters", strings.Repeat("ö", 501), pngPicture, 400, "Write a caption"},
		{"no UTF-8", "\xff", pngPicture, 400, "Write a caption"},
		{"markup", `"><script>alert(1)</script>`, pngPicture, 303, "image/png"},
	} {
		for action, page := range map[string]string{"/pictures": "/", "/albums/engines": "/albums/engines"} {
			_, before := s.get(ada, page)
			resp, body := s.post(ada, action, c.caption, c.data)
			_, after := s.get(ada, page)
			switch {
			case resp.StatusCode != c.status:
				t.Errorf("%s: POST %s: %s", c.name, action, resp.Status)
			case c.status != http.StatusSeeOther:
				for _, want := range []string{c.served, `role="alert"`} {
					if !strings.Contains(body, want) {
						t.Errorf("%s: POST %s: the page lacks %q: %s", c.name, action, want, body)
					}
				}
				if after != before {
					t.Errorf("%s: POST %s changes %s from\n%s\nto\n%s", c.name, action, page, before, after)
				}
			default:
				if strings.Contains(after, "<script>") {
					t.Errorf("%s: %s: %s", c.name, page, after)
				}
				resp, body := s.do(ada, "GET", pictureAddress.FindStringSubmatch(after)[1], nil)
				if resp.Header.Get("Content-Type") != c.served || body != string(c.data) {
					t.Errorf("%s: served as %s, %d bytes", c.name, resp.Header.Get("Content-Type"), len(body))
				}
			}
		}
	}
	resp, _ := s.do(ada, "POST", "/pictures", strings.NewReader("caption=a"), "Content-Type",
		"application/x-www-form-urlencoded")
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("another kind of form: %s", resp.Status)
	}
}

func TestAsManyAsAllowed(t *testing.T) {
	s := newSite(t)
	ada, grace := s.signIn("ada", "engines"), s.signIn("grace")
	for range 99 {
		s.add(ada, "/pictures", "/", "a loom")
	}
	last := s.add(ada, "/albums/engines", "/albums/engines", "a mill")
	for _, path := range []string{"/pictures", "/albums/engines"} {
		resp, page := s.post(ada, path, "one more", pngPicture)
		if resp.StatusCode != http.StatusConflict || !strings.Contains(page, "You have 100 pictures") {
			t.Errorf("POST %s: %s", path, resp.Status)
		}
	}
	s.add(grace, "/pictures", "/", "the moth of grace")
	s.do(ada, "POST", last+"/delete", nil)
	s.add(ada, "/pictures", "/", "one more")
}

func TestAlbum(t *testing.T) {
	s := newSite(t)
	s.hub.AddUser(hfoauthtest.User{Username: "babbage", Orgs: []hfoauthtest.Org{{Username: "engines"}}})
	s.hub.AddUser(hfoauthtest.User{Username: "mallory", Orgs: []hfoauthtest.Org{{Username: "rivals", Name: "engines"}}})
	s.hub.AddUser(hfoauthtest.User{Username: "menabrea",
		Orgs: []hfoauthtest.Org{{Username: "engines", PendingSSO: true}}})
	ada, babbage := s.signIn("ada", "engines"), s.signIn("babbage", "engines")
	private := s.add(ada, "/pictures", "/", "her own")
	shared := s.add(ada, "/albums/engines", "/albums/engines", "the mill")

	if status, body := s.get(babbage, shared); status != http.StatusOK || body != string(pngPicture) {
		t.Errorf("a member's look: %d", status)
	}
	_, page := s.get(babbage, "/albums/engines")
	for _, want := range []string{shared, ", by ada"} {
		if !strings.Contains(page, want) {
			t.Errorf("album lacks %q: %s", want, page)
		}
	}
	if strings.Contains(page, private) {
		t.Errorf("album has the private picture %s: %s", private, page)
	}
	if _, page := s.get(babbage, "/"); strings.Contains(page, shared) {
		t.Errorf("another's picture among babbage's own: %s", page)
	}
	if status, _ := s.get(babbage, private); status != http.StatusNotFound {
		t.Errorf("what ada did not share: %d", status)
	}
	if resp, _ := s.do(babbage, "POST", shared+"/delete", nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a member deletes: %s", resp.Status)
	}
	if _, page := s.get(ada, "/albums/notes"); strings.Contains(page, shared) {
		t.Errorf("in another album: %s", page)
	}
	_, page = s.get(ada, "/")
	if !strings.Contains(page, shared) || !strings.Contains(page, "in the album of Analytical Engines") {
		t.Errorf("ada's own: %s", page)
	}

	for username, orgs := range map[string][]string{"grace": nil, "mallory": {"rivals"}, "menabrea": {"engines"}} {
		outsider := s.signIn(username, orgs...)
		status, page := s.get(outsider, "/albums/engines")
		if status != http.StatusForbidden || strings.Contains(page, "mill") {
			t.Errorf("%s opens the album: %d", username, status)
		}
		resp, _ := s.post(outsider, "/albums/engines", "forged", pngPicture)
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s adds to the album: %s", username, resp.Status)
		}
		if status, _ := s.get(outsider, shared); status != http.StatusNotFound {
			t.Errorf("%s looks: %d", username, status)
		}
	}

	// A user who leaves keeps their own pictures, and no more.
	theirs := s.add(babbage, "/albums/engines", "/albums/engines", "a cog")
	s.hub.AddUser(hfoauthtest.User{Username: "babbage"})
	babbage = s.signIn("babbage")
	_, page = s.get(babbage, "/")
	if !strings.Contains(page, theirs) || !strings.Contains(page, "an organization you left") {
		t.Errorf("after leaving: %s", page)
	}
	if status, _ := s.get(babbage, shared); status != http.StatusNotFound {
		t.Errorf("after leaving, ada's: %d", status)
	}
	if resp, _ := s.do(babbage, "POST", theirs+"/delete", nil); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("after leaving, deleting: %s", resp.Status)
	}
}

// Pictures follow the IDs: usernames can change, and be taken over.
func TestNamesChangeHands(t *testing.T) {
	s := newSite(t)
	before := hfoauthtest.DefaultUsers()[0]
	engines := before.Orgs[0]
	ada := s.signIn("ada", "engines")
	private := s.add(ada, "/pictures", "/", "the loom of ada")
	shared := s.add(ada, "/albums/engines", "/albums/engines", "the mill")

	s.hub.RemoveUser("ada")
	s.hub.AddUser(hfoauthtest.User{Sub: before.ID(), Username: "countess",
		Orgs: []hfoauthtest.Org{{Sub: engines.ID(), Username: "mills", Name: "Mills"}}})
	s.hub.AddUser(hfoauthtest.User{Sub: "5f0000000000000000000001", Username: "ada",
		Orgs: []hfoauthtest.Org{{Sub: "6f0000000000000000000001", Username: "engines", Name: "Engines"}}})
	countess, taker := s.signIn("countess", "mills"), s.signIn("ada", "engines")

	if _, page := s.get(countess, "/"); !strings.Contains(page, private) || !strings.Contains(page, shared) {
		t.Errorf("under the new name: %s", page)
	}
	_, page := s.get(countess, "/albums/mills")
	if !strings.Contains(page, shared) || !strings.Contains(page, ", by countess") {
		t.Errorf("the album under the new name: %s", page)
	}
	for _, path := range []string{"/", "/albums/engines"} {
		if status, page := s.get(taker, path); status != http.StatusOK || pictureAddress.MatchString(page) {
			t.Errorf("under the old name, %s: %d %s", path, status, page)
		}
	}
	for _, path := range []string{private, shared} {
		if status, _ := s.get(taker, path); status != http.StatusNotFound {
			t.Errorf("under the old name, a picture: %d", status)
		}
	}
}

func TestRestart(t *testing.T) {
	hub, data := hfoauthtest.NewServer(t), filepath.Join(t.TempDir(), "new", "data")
	s := start(t, hub, data, register(hub)...)
	ada := s.signIn("ada", "engines")
	private := s.add(ada, "/pictures", "/", "the loom of ada")
	shared := s.add(ada, "/albums/engines", "/albums/engines", "the mill")

	s.restart(data)
	for _, path := range []string{private, shared} {
		if status, body := s.get(ada, path); status != http.StatusOK || body != string(pngPicture) {
			t.Errorf("after a restart: %d", status)
		}
	}
	if status, _ := s.get(s.signIn("grace"), private); status != http.StatusNotFound {
		t.Errorf("grace after a restart: %d", status)
	}

	// The disk is lost, but the session is not.
	s.restart(t.TempDir())
	if status, _ := s.get(ada, private); status != http.StatusNotFound {
		t.Errorf("without the disk: %d", status)
	}
	s.add(ada, "/albums/engines", "/albums/engines", "another mill")
}

func TestDataDir(t *testing.T) {
	bucket := t.TempDir()
	file := filepath.Join(bucket, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ env, bucket, want string }{
		{"elsewhere", bucket, "elsewhere"},
		{"", bucket, bucket},
		{"", file, "data"},
		{"", filepath.Join(bucket, "none"), "data"},
	} {
		t.Setenv("DATA_DIR", c.env)
		if got := dataDir(c.bucket); got != c.want {
			t.Errorf("DATA_DIR=%s with %s: %s, want %s", c.env, c.bucket, got, c.want)
		}
	}
	if left, err := os.ReadDir(bucket); len(left) != 1 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
