package hfoauthtest

import (
	"cmp"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hfoauth/hfoauth/internal/guard"
)

const (
	deviceLifetime = 5 * time.Minute
	deviceInterval = 5 * time.Second // if the response has no interval (RFC 8628 section 3.2)
)

// device is the device authorization endpoint (RFC 8628 section 3.1).
func (s *Server) device(w http.ResponseWriter, r *http.Request) {
	app, problem := s.authenticateDevice(r)
	if problem != nil {
		problem.write(w)
		return
	}
	scopes, problem := app.parseScopesOrAll(r.PostForm.Get("scope"))
	if problem != nil {
		problem.write(w)
		return
	}
	deviceCode, userCode := s.recordSecret(uuid()), newUserCode()
	g := &grant{client: app.ClientID, scopes: scopes, userCode: userCode, foreign: guard.Check(s.host, r) != nil}
	s.devices.Put(deviceCode, g, 1, s.now(), s.now().Add(deviceLifetime))
	response := map[string]any{
		"device_code":      deviceCode,
		"user_code":        userCode,
		"verification_uri": s.verificationURL(),
		"expires_in":       int(deviceLifetime / time.Second),
	}
	settings := s.currentSettings()
	if settings.DeviceInterval > 0 {
		response["interval"] = int(settings.DeviceInterval / time.Second)
	}
	if settings.DeviceResponse != nil {
		settings.DeviceResponse(response)
	}
	writeJSON(w, http.StatusOK, response)
}

// verificationURL returns the URL of the page where people enter the code of a
// device. On the Hub its host, hf.co, differs from the issuer's; a Server on
// loopback therefore uses its other name.
func (s *Server) verificationURL() string {
	issuer, err := url.Parse(s.URL)
	if err != nil || issuer.Scheme != "http" {
		return s.URL + string(DeviceEndpoint)
	}
	switch issuer.Hostname() {
	case "127.0.0.1":
		issuer.Host = net.JoinHostPort("localhost", issuer.Port())
	case "localhost":
		issuer.Host = net.JoinHostPort("127.0.0.1", issuer.Port())
	}
	return issuer.String() + string(DeviceEndpoint)
}

// newUserCode returns a code like the Hub's, with vowels and digits.
func newUserCode() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return randomOf(letters, 4) + "-" + randomOf(letters, 4)
}

// redeemDeviceCode handles a poll (RFC 8628 section 3.5).
func (s *Server) redeemDeviceCode(r *http.Request, app *App) (*grant, *oauthError) {
	code := r.PostForm.Get("device_code")
	g, ok := s.devices.Get(code, s.now())
	if !ok || g.client != app.ClientID {
		return nil, badRequest("expired_token", "the device code is unknown or expired")
	}
	now := s.now()
	_, approves := s.userNamed(s.currentSettings().ApproveAs)
	s.mu.Lock()
	if approves && !g.foreign && g.decision == undecided {
		g.username, g.decision = s.settings.ApproveAs, approved
	}
	interval := cmp.Or(s.settings.DeviceInterval, deviceInterval)
	tooFast := now.Sub(g.asked) < interval
	g.asked = now
	said, decided := g.decision, *g
	s.mu.Unlock()
	if said == undecided {
		if tooFast {
			return nil, badRequest("slow_down", "")
		}
		return nil, badRequest("authorization_pending", "")
	}
	if _, ok := s.devices.Take(code, now); !ok {
		return nil, badRequest("expired_token", "the device code has already been used")
	}
	if said == denied {
		return nil, badRequest("access_denied", "The user denied the request")
	}
	if _, ok := s.userNamed(decided.username); !ok {
		return nil, badRequest("access_denied", "the user no longer exists")
	}
	return &decided, nil
}

// ApproveDevice approves the device login with a user code on behalf of a user.
// The code may be in any case and lack its dash. It returns an error if the code
// is unknown, decided or expired, or the user does not exist.
func (s *Server) ApproveDevice(userCode, username string) error {
	return asError(s.decideDevice(userCode, username, approved))
}

// DenyDevice denies the device login with a user code. It accepts the same codes
// as ApproveDevice, and returns the same errors.
func (s *Server) DenyDevice(userCode string) error {
	return asError(s.decideDevice(userCode, "", denied))
}

func (s *Server) decideDevice(userCode, username string, said decision) *oauthError {
	if _, ok := s.userNamed(username); !ok && said == approved {
		return badRequest("access_denied", "unknown user "+username)
	}
	userCode, found := plainUserCode(userCode), false
	s.devices.Range(s.now(), func(_ string, g *grant) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if plainUserCode(g.userCode) == userCode && g.decision == undecided {
			found = true
			g.username, g.decision = username, said
		}
	})
	if !found {
		return badRequest("expired_token", "the code is unknown, used or expired")
	}
	return nil
}

// plainUserCode removes the differences in how people type a code (RFC 8628
// section 6.1).
func plainUserCode(code string) string {
	return strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))
}

func asError(problem *oauthError) error {
	if problem == nil {
		return nil
	}
	return fmt.Errorf("hfoauthtest: %s: %s", problem.Code, problem.Description)
}

// devicePage shows the form for the code of a device. At the other name of
// loopback it redirects to the issuer's, whose cookie names the signed-in person.
func (s *Server) devicePage(w http.ResponseWriter, r *http.Request) {
	if guard.Same(s.host, r.Host) && !strings.EqualFold(s.host, r.Host) {
		http.Redirect(w, r, s.URL+string(DeviceEndpoint), http.StatusFound)
		return
	}
	pageHeaders(w)
	deviceTemplate.Execute(w, struct {
		Users    []User
		SignedIn string
		Style    template.CSS
	}{s.allUsers(), orElse(s.signedIn(r), s.firstUsername()), template.CSS(style)})
}

func (s *Server) deviceDecision(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if s.isForeign(w, r) {
		return
	}
	said := denied
	if r.PostFormValue("decision") == "approve" {
		said = approved
	}
	if problem := s.decideDevice(r.PostFormValue("user_code"), r.PostFormValue("user"), said); problem != nil {
		s.refusePage(w, "Could not connect the device", problem.Description)
		return
	}
	pageHeaders(w)
	writeMessage(w, "Done", "You can close this page and return to your device.")
}
