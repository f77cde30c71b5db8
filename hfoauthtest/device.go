package hfoauthtest

import (
	"cmp"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	deviceLifetime = 5 * time.Minute
	deviceInterval = 5 * time.Second // where the answer names none (RFC 8628 section 3.2)
)

// device is the device authorization endpoint (RFC 8628 section 3.1).
func (s *Server) device(w http.ResponseWriter, r *http.Request) {
	app, problem := s.authenticate(r)
	if problem != nil {
		problem.write(w)
		return
	}
	scopes := strings.Fields(r.PostForm.Get("scope"))
	for _, scope := range scopes {
		if !slices.Contains(app.Scopes, scope) {
			badRequest("invalid_scope", "unknown scope "+scope).write(w)
			return
		}
	}
	deviceCode, userCode := s.recordSecret(random("", 30)), newUserCode()
	g := &grant{client: app.ClientID, scopes: scopes, family: userCode}
	s.devices.Put(deviceCode, g, 1, s.now(), s.now().Add(deviceLifetime))
	response := map[string]any{
		"device_code":      deviceCode,
		"user_code":        userCode,
		"verification_uri": s.URL + "/device",
		"expires_in":       int(deviceLifetime / time.Second),
	}
	if interval := s.currentSettings().DeviceInterval; interval > 0 {
		response["interval"] = int(interval / time.Second)
	}
	writeJSON(w, http.StatusOK, response)
}

// newUserCode returns eight letters that are hard to mistake (RFC 8628
// section 6.1).
func newUserCode() string {
	const letters = "BCDFGHJKLMNPQRSTVWXZ"
	code := []byte(random("", 8))[:8]
	for i := range code {
		code[i] = letters[int(code[i])%len(letters)]
	}
	return string(code[:4]) + "-" + string(code[4:])
}

// redeemDeviceCode answers a poll (RFC 8628 section 3.5).
func (s *Server) redeemDeviceCode(r *http.Request, app *App) (*grant, *oauthError) {
	code := r.PostForm.Get("device_code")
	s.recordSecret(code)
	g, ok := s.devices.Get(code, s.now())
	if !ok || g.client != app.ClientID {
		return nil, badRequest("expired_token", "the device code is unknown or expired")
	}
	now := s.now()
	s.mu.Lock()
	interval := cmp.Or(s.settings.DeviceInterval, deviceInterval)
	tooFast := now.Sub(g.asked) < interval
	g.asked = now
	decision := g.decision
	s.mu.Unlock()
	switch {
	case decision == "approve":
		s.devices.Take(code, s.now())
		return g, nil
	case decision == "deny":
		s.devices.Take(code, s.now())
		return nil, badRequest("access_denied", "The user denied the request")
	case tooFast:
		return nil, badRequest("slow_down", "")
	}
	return nil, badRequest("authorization_pending", "")
}

// ApproveDevice lets a user approve the device login with a user code.
func (s *Server) ApproveDevice(userCode, username string) error {
	return s.decideDevice(userCode, username, "approve")
}

// DenyDevice denies the device login with a user code.
func (s *Server) DenyDevice(userCode string) error {
	return s.decideDevice(userCode, "", "deny")
}

func (s *Server) decideDevice(userCode, username, decision string) error {
	if _, ok := s.userNamed(username); !ok && decision == "approve" {
		return badRequest("access_denied", "there is no user "+username)
	}
	found := false
	s.devices.Range(s.now(), func(_ string, g *grant) {
		if g.family != userCode || g.decision != "" {
			return
		}
		found = true
		s.mu.Lock()
		g.username, g.decision = username, decision
		s.mu.Unlock()
	})
	if !found {
		return badRequest("expired_token", "the code is unknown, used or expired")
	}
	return nil
}

// Error makes oauthError an error for those who call the Server from Go.
func (e *oauthError) Error() string { return "hfoauthtest: " + e.Code + ": " + e.Description }

// devicePage is where a person types the code of a device.
func (s *Server) devicePage(w http.ResponseWriter, r *http.Request) {
	pageHeaders(w, "")
	deviceTemplate.Execute(w, struct {
		Users []User
		Style template.CSS
	}{s.allUsers(), template.CSS(style)})
}

func (s *Server) deviceDecision(w http.ResponseWriter, r *http.Request) {
	code := strings.ToUpper(strings.TrimSpace(r.PostFormValue("user_code")))
	decision := orElse(r.PostFormValue("decision"), "deny")
	if err := s.decideDevice(code, r.PostFormValue("user"), decision); err != nil {
		s.refusePage(w, "That did not work", err.(*oauthError).Description)
		return
	}
	pageHeaders(w, "")
	writeMessage(w, "Done", "You can close this page and go back to your device.")
}
