package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// router stands in for Hugging Face's router on loopback.
type router struct {
	*httptest.Server
	billed  chan string   // username whose token a request came with
	proceed chan struct{} // lets a stream continue after its first piece

	mu     sync.Mutex
	answer responder
}

type responder func(w http.ResponseWriter, request completionRequest)

func (ro *router) answerWith(answer responder) {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	ro.answer = answer
}

func newRouter(t *testing.T, hub *hfoauthtest.Server) *router {
	t.Helper()
	ro := &router{billed: make(chan string, 16), proceed: make(chan struct{}, 1)}
	ro.answer = ro.stream
	ro.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request completionRequest
		err := json.NewDecoder(r.Body).Decode(&request)
		asked := r.URL.Path == "/v1/chat/completions" && request.Stream
		if err != nil || !asked {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		ro.billed <- owner(hub, r.Header.Get("Authorization"))
		ro.mu.Lock()
		answer := ro.answer
		ro.mu.Unlock()
		answer(w, request)
	}))
	t.Cleanup(ro.Close)
	return ro
}

// owner asks the provider whose token it is.
func owner(hub *hfoauthtest.Server, authorization string) string {
	req, err := http.NewRequest("GET", hub.URL+"/oauth/userinfo", nil)
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Authorization", authorization)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	var user struct {
		Username string `json:"preferred_username"`
	}
	json.NewDecoder(resp.Body).Decode(&user)
	return user.Username
}

func piece(w http.ResponseWriter, text string) {
	content, _ := json.Marshal(text)
	fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{\"content\":%s}}]}\n\n", content)
	http.NewResponseController(w).Flush()
}

// stream sends the answer in two pieces, the second after proceed.
func (ro *router) stream(w http.ResponseWriter, request completionRequest) {
	w.Header().Set("Content-Type", "text/event-stream")
	piece(w, "First <b>piece</b>, ")
	<-ro.proceed
	piece(w, "you asked: "+request.Messages[0].Content)
	io.WriteString(w, "data: [DONE]\n\n")
}

// start builds and runs the program until the test ends.
func start(t *testing.T, hub *hfoauthtest.Server, ro *router) (address string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "inference")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{"http://localhost/login/callback"}})
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, path)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "PORT=" + port, "ROUTER_URL=" + ro.URL + "/v1",
		"MODEL=test/model",
		"OAUTH_CLIENT_ID=" + app.ClientID, "OAUTH_CLIENT_SECRET=" + app.ClientSecret,
		"OPENID_PROVIDER_URL=" + hub.URL}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); command.Wait() })

	address = "http://localhost:" + port
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for range 1000 { // twenty seconds: real time, with room
		if resp, err := http.Get(address + "/"); err == nil {
			resp.Body.Close()
			return address
		}
		<-ticker.C
	}
	t.Fatal("the program does not respond")
	return ""
}

func body(t *testing.T, resp *http.Response, err error) (int, string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(page)
}

// scopes returns the scopes of each sign-in so far.
func scopes(hub *hfoauthtest.Server) (scopes []string) {
	for _, request := range hub.Requests(hfoauthtest.AuthorizeEndpoint) {
		if request.Method == "GET" {
			scopes = append(scopes, request.Form.Get("scope"))
		}
	}
	return scopes
}

func TestInference(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	ro := newRouter(t, hub)
	address := start(t, hub, ro)
	browser := hub.SignIn(t, address+"/login", "ada")
	ask := func(prompt string) (*http.Response, error) {
		return browser.PostForm(address+"/chat", url.Values{"prompt": {prompt}})
	}

	resp, err := browser.Get(address + "/")
	if status, page := body(t, resp, err); status != 200 || !strings.Contains(page, `href="/chat"`) {
		t.Errorf("home: %d %s", status, page)
	}
	resp, err = ask("Too early?")
	if status, _ := body(t, resp, err); status != 403 || len(ro.billed) != 0 {
		t.Errorf("without the scope: %d, %d billed", status, len(ro.billed))
	}
	resp, err = browser.Get(address + "/chat")
	if status, page := body(t, resp, err); status != 200 || !strings.Contains(page, "<textarea") {
		t.Errorf("chat: %d %s", status, page)
	}
	got, want := scopes(hub), []string{"openid profile", "openid profile inference-api"}
	if !slices.Equal(got, want) {
		t.Errorf("asked for %q, want %q", got, want)
	}

	t.Run("streamed", func(t *testing.T) {
		resp, err := ask("why?")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		reader := bufio.NewReader(resp.Body)
		for text := ""; !strings.Contains(text, "First &lt;b&gt;piece&lt;/b&gt;, "); {
			b, err := reader.ReadByte()
			if err != nil {
				t.Fatalf("%v after %s", err, text)
			}
			text += string(b)
		}
		ro.proceed <- struct{}{} // the first piece arrived before the second was sent
		rest, err := io.ReadAll(reader)
		if err != nil {
			t.Errorf("the rest of the page: %v", err)
		}
		for _, want := range []string{"you asked: why?", "</html>"} {
			if !strings.Contains(string(rest), want) {
				t.Errorf("the page lacks %q: %s", want, rest)
			}
		}
		if strings.Contains(string(rest), "broke off") {
			t.Errorf("the page says that the answer broke off: %s", rest)
		}
		if billed := <-ro.billed; billed != "ada" {
			t.Errorf("billed to %q", billed)
		}
	})

	for _, test := range []struct {
		name, prompt string
		answer       responder
		status       int
		want         string
	}{
		{"nothing asked", " ", nil, 400, "Ask something"},
		{"too much asked", strings.Repeat("é", maxPrompt+1), nil, 400, "Ask something"},
		{"no credits", "why?", refuse(402), 502, "credits for inference are used up"},
		{"token refused", "why?", refuse(401), 502, "Sign out and in again"},
		{"too many", "why?", refuse(429), 502, "Try again in a minute"},
		{"router broken", "why?", refuse(500), 502, "did not answer"},
		{"broken off", "why?", func(w http.ResponseWriter, _ completionRequest) { piece(w, "Because") }, 200, "broke off"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ro.answerWith(test.answer)
			resp, err := ask(test.prompt)
			status, page := body(t, resp, err)
			if status != test.status {
				t.Errorf("status %d, want %d", status, test.status)
			}
			for _, want := range []string{test.want, "</html>"} {
				if !strings.Contains(page, want) {
					t.Errorf("the page lacks %q: %s", want, page)
				}
			}
			if !strings.Contains(page, strings.TrimSpace(test.prompt)+"</textarea>") {
				t.Error("the question is lost")
			}
		})
	}

	resp, err = browser.Get(address + "/chat")
	_, page := body(t, resp, err)
	for _, secret := range hub.Secrets() {
		if strings.Contains(page, secret) {
			t.Error("a secret is on the page")
		}
	}
}

func refuse(status int) responder {
	return func(w http.ResponseWriter, _ completionRequest) { w.WriteHeader(status) }
}
