package main

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
	"github.com/hfoauth/hfoauth/internal/guard"
)

// clock is the stand-in's clock, which the control API can move.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// control is the API with which tests in other languages do what Go tests do
// with hfoauthtest.Server. It has its own port on loopback and requires its
// token.
type control struct {
	hub    *hfoauthtest.Server
	users  []hfoauthtest.User
	clock  *clock
	server *http.Server
	host   string
	url    string
	token  string
}

func startControl(o *options, hub *hfoauthtest.Server, clock *clock) (*control, error) {
	listener, err := net.Listen("tcp", o.control)
	if err != nil {
		return nil, fmt.Errorf("the control API: %w (choose another address with -control)", err)
	}
	if !listener.Addr().(*net.TCPAddr).IP.IsLoopback() {
		listener.Close()
		return nil, fmt.Errorf("the control API: %s is not on loopback: use 127.0.0.1:0", o.control)
	}
	c := &control{hub: hub, users: o.accounts(), clock: clock, host: listener.Addr().String(), token: rand.Text()}
	c.url = "http://" + c.host
	c.server = &http.Server{Handler: c.handler(), ReadHeaderTimeout: 10 * time.Second}
	go c.server.Serve(listener)
	return c, nil
}

func (c *control) Close() { c.server.Close() }

// action handles a request and returns the value of the JSON response.
type action func(form url.Values) (any, error)

// actions returns the actions of the API by pattern.
func (c *control) actions() map[string]action {
	return map[string]action{
		"POST /device/approve": c.approveDevice,
		"POST /device/deny":    c.denyDevice,
		"POST /tokens":         c.mint,
		"POST /revoke":         c.revoke,
		"POST /keys/rotate":    c.rotateKeys,
		"POST /clock":          c.moveClock,
		"POST /faults":         c.setFault,
		"GET /requests":        c.requests,
	}
}

// handler serves the actions, whose parameters are the values of the form.
func (c *control) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, do := range c.actions() {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
			if err := r.ParseForm(); err != nil {
				answer(w, http.StatusBadRequest, map[string]string{"error": "the form cannot be parsed"})
				return
			}
			result, err := do(r.Form)
			if err != nil {
				answer(w, http.StatusBadRequest, map[string]string{"error": strings.TrimPrefix(err.Error(), "hfoauthtest: ")})
				return
			}
			answer(w, http.StatusOK, result)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusNotFound,
			map[string]string{"error": "unknown request " + r.Method + " " + r.URL.Path + ": see docs/hfhub.md"})
	})
	return c.guarded(mux)
}

// guarded admits only programs that know the token.
func (c *control) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := guard.Check(c.host, r); err != nil {
			answer(w, http.StatusForbidden, map[string]string{"error": err.Error()})
			return
		}
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare([]byte(token), []byte(c.token)) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			answer(w, http.StatusUnauthorized,
				map[string]string{"error": "send the header Authorization: Bearer $HFHUB_CONTROL_TOKEN"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// done is the response of an action without a result.
var done = map[string]bool{"ok": true}

func (c *control) approveDevice(form url.Values) (any, error) {
	return done, c.hub.ApproveDevice(form.Get("user_code"), form.Get("user"))
}

func (c *control) denyDevice(form url.Values) (any, error) {
	return done, c.hub.DenyDevice(form.Get("user_code"))
}

// mint issues a token of one of four kinds.
func (c *control) mint(form url.Values) (any, error) {
	name := form.Get("name")
	if name == "" {
		return nil, errors.New("name is missing: give the owner of the token")
	}
	var token string
	var err error
	switch kind := form.Get("kind"); kind {
	case "oauth":
		client, scopes := form.Get("client_id"), strings.Fields(form.Get("scope"))
		err = errors.Join(c.checkUser(name), c.checkApp(client, scopes))
		if err == nil {
			token = c.hub.AccessToken(name, client, scopes...)
		}
	case "user":
		if err = c.checkUser(name); err == nil {
			token = c.hub.UserToken(name)
		}
	case "org":
		if err = c.checkOrg(name); err == nil {
			token = c.hub.OrgToken(name)
		}
	case "app":
		token = c.hub.AppToken(name)
	default:
		err = fmt.Errorf("kind is %q, but must be oauth, user, org or app", kind)
	}
	return map[string]string{"token": token}, err
}

func (c *control) checkUser(name string) error {
	if !slices.ContainsFunc(c.users, func(u hfoauthtest.User) bool { return u.Username == name }) {
		return fmt.Errorf("there is no user %q: use one of %s", name, usernames(c.users))
	}
	return nil
}

func (c *control) checkOrg(name string) error {
	for _, user := range c.users {
		if slices.ContainsFunc(user.Orgs, func(o hfoauthtest.Org) bool { return o.Username == name }) {
			return nil
		}
	}
	return fmt.Errorf("there is no organization %q: use one that a user belongs to", name)
}

// checkApp accepts the scopes that an app may request.
func (c *control) checkApp(clientID string, scopes []string) error {
	if clientID == "" {
		return errors.New("client_id is missing: give the app that the token is for")
	}
	app, ok := c.hub.App(clientID)
	if !ok {
		return fmt.Errorf("there is no app %q: use $OAUTH_CLIENT_ID, or register one at /oauth/register", clientID)
	}
	for _, scope := range scopes {
		if !slices.Contains(app.Scopes, scope) {
			return fmt.Errorf("the app may not request the scope %q: use some of %s", scope, strings.Join(app.Scopes, " "))
		}
	}
	return nil
}

func (c *control) revoke(form url.Values) (any, error) {
	user := form.Get("user")
	if user == "" {
		return nil, errors.New("user is missing")
	}
	if err := c.checkUser(user); err != nil {
		return nil, err
	}
	c.hub.Revoke(user)
	return done, nil
}

func (c *control) rotateKeys(form url.Values) (any, error) {
	c.hub.RotateKeys(form.Get("drop") == "true")
	return done, nil
}

// moveClock advances the clock; a negative duration moves it back.
func (c *control) moveClock(form url.Values) (any, error) {
	d, err := time.ParseDuration(form.Get("advance"))
	if err != nil {
		return nil, fmt.Errorf("advance is %q, but must be a duration such as 1h30m", form.Get("advance"))
	}
	c.clock.offset.Add(int64(d))
	return map[string]string{"now": c.clock.now().UTC().Format(time.RFC3339)}, nil
}

// setFault sets the fault of an endpoint, or removes it if fault is empty.
func (c *control) setFault(form url.Values) (any, error) {
	endpoint, err := parseEndpoint(form.Get("endpoint"))
	if err != nil {
		return nil, err
	}
	var fault hfoauthtest.Fault
	if text := form.Get("fault"); text != "" {
		if fault, err = parseFault(text); err != nil {
			return nil, err
		}
	}
	c.hub.SetFault(endpoint, fault)
	return done, nil
}

// request is a request to the stand-in, as requests lists it.
type request struct {
	Endpoint string      `json:"endpoint"`
	Method   string      `json:"method"`
	Header   http.Header `json:"header"`
	Form     url.Values  `json:"form"`
}

// requests lists the requests to one endpoint or to each of them, oldest first.
func (c *control) requests(form url.Values) (any, error) {
	names := slices.Sorted(maps.Keys(endpoints))
	if name := form.Get("endpoint"); name != "" {
		if _, err := parseEndpoint(name); err != nil {
			return nil, err
		}
		names = []string{name}
	}
	list := []request{}
	for _, name := range names {
		for _, r := range c.hub.Requests(endpoints[name]) {
			list = append(list, request{name, r.Method, r.Header, r.Form})
		}
	}
	return list, nil
}
