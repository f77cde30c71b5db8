package hfoauthtest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/hfoauth/hfoauth/internal/expiring"
	"github.com/hfoauth/hfoauth/internal/jwt"
)

const (
	codeGrant     = "authorization_code"
	refreshGrant  = "refresh_token"
	deviceGrant   = "urn:ietf:params:oauth:grant-type:device_code"
	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	emailType     = "urn:huggingface:token-type:user-email"
)

// oauthError is an error response (RFC 6749 section 5.2).
type oauthError struct {
	status      int
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

func badRequest(code, description string) *oauthError {
	return &oauthError{http.StatusBadRequest, code, description}
}

func invalidClient(description string) *oauthError {
	return &oauthError{http.StatusUnauthorized, "invalid_client", description}
}

func (e *oauthError) write(w http.ResponseWriter) {
	if e.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="oauth"`)
	}
	writeJSON(w, e.status, e)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// token is the token endpoint (RFC 6749 section 3.2).
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	authenticate := s.authenticate
	switch grantType := r.PostForm.Get("grant_type"); {
	case grantType == deviceGrant:
		authenticate = s.authenticateDevice
	case grantType == codeGrant && byPKCE(r):
		authenticate = s.authenticateByCode
	}
	app, problem := authenticate(r)
	if problem != nil {
		problem.write(w)
		return
	}
	var g *grant
	switch r.PostForm.Get("grant_type") {
	case codeGrant:
		g, problem = s.redeemCode(r, &app)
	case refreshGrant:
		g, problem = s.redeemRefreshToken(r, &app)
	case deviceGrant:
		g, problem = s.redeemDeviceCode(r, &app)
	case exchangeGrant:
		g, problem = s.exchangeEmail(r, &app)
	default:
		problem = badRequest("unsupported_grant_type", "")
	}
	if problem != nil {
		problem.write(w)
		return
	}
	if g.signIn == "" {
		g.signIn = random("", 16)
	}
	response := s.issue(g)
	settings := s.currentSettings()
	if r.PostForm.Get("grant_type") == exchangeGrant {
		response["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
	} else if !settings.NoRefreshTokens {
		response["refresh_token"] = s.newRefreshToken(g)
	}
	if settings.TokenResponse != nil {
		settings.TokenResponse(response)
	}
	writeJSON(w, http.StatusOK, response)
}

// redeemCode redeems an authorization code, which works once (RFC 6749 section
// 4.1.3, RFC 7636 section 4.6).
func (s *Server) redeemCode(r *http.Request, app *App) (*grant, *oauthError) {
	g, ok := s.codes.Take(r.PostForm.Get("code"), s.now())
	switch {
	case !ok:
		return nil, badRequest("invalid_grant", "the code is unknown, used or expired")
	case g.client != app.ClientID:
		return nil, badRequest("invalid_grant", "the code belongs to another client")
	case g.redirect != r.PostForm.Get("redirect_uri"):
		return nil, badRequest("invalid_grant", "redirect_uri differs from that of the authorization request")
	}
	if _, ok := s.userNamed(g.username); !ok {
		return nil, badRequest("invalid_grant", "the user no longer exists")
	}
	verifier := r.PostForm.Get("code_verifier")
	challenge := sha256.Sum256([]byte(verifier))
	if (g.challenge != "" || verifier != "") &&
		subtle.ConstantTimeCompare([]byte(encode(challenge[:])), []byte(g.challenge)) != 1 {
		return nil, badRequest("invalid_grant", "code_verifier does not match code_challenge")
	}
	return g, nil
}

// redeemRefreshToken redeems a refresh token, which works once: each response has
// a new one.
func (s *Server) redeemRefreshToken(r *http.Request, app *App) (*grant, *oauthError) {
	token := r.PostForm.Get("refresh_token")
	g, ok := s.refresh.Get(token, s.now())
	if !ok || g.client != app.ClientID {
		s.refreshReused(token)
		return nil, badRequest("invalid_grant", "the refresh token is unknown, used or expired")
	}
	for _, name := range strings.Fields(r.PostForm.Get("scope")) {
		if !g.has(name) {
			return nil, badRequest("invalid_scope", "a refresh cannot add the scope "+name)
		}
	}
	if _, ok := s.userNamed(g.username); !ok {
		return nil, badRequest("invalid_grant", "the user no longer exists")
	}
	now := s.now()
	if _, ok := s.refresh.Take(token, now); !ok {
		return nil, badRequest("invalid_grant", "the refresh token has already been used")
	}
	s.usedRefresh.Put(token, g, 1, now, now.Add(refreshLifetime))
	return g, nil
}

// refreshReused ends all tokens of the sign-in that a used refresh token belongs
// to (RFC 9700 section 4.14.2), if Settings.ReuseDetection is true.
func (s *Server) refreshReused(token string) {
	used, ok := s.usedRefresh.Get(token, s.now())
	if !ok || !s.currentSettings().ReuseDetection {
		return
	}
	for _, grants := range []*expiring.Map[string, *grant]{s.access, s.refresh} {
		grants.DeleteFunc(func(_ string, g *grant) bool { return g.signIn == used.signIn })
	}
}

// exchangeEmail returns the grant of an organization's app for one of its members
// (RFC 8693, https://huggingface.co/docs/hub/oauth).
func (s *Server) exchangeEmail(r *http.Request, app *App) (*grant, *oauthError) {
	if app.Public || app.Org == "" {
		return nil, invalidClient("token exchange requires an app with a secret that belongs to an organization")
	}
	if r.PostForm.Get("subject_token_type") != emailType {
		return nil, badRequest("invalid_request", "subject_token_type must be "+emailType)
	}
	email := r.PostForm.Get("subject_token")
	user, ok := s.user(func(u User) bool { return email != "" && u.Email == email && u.EmailVerified && u.in(app.Org) })
	if !ok {
		return nil, badRequest("invalid_grant", "no member has this e-mail address")
	}
	scopes, problem := app.parseScopesOrAll(r.PostForm.Get("scope"))
	if problem != nil {
		return nil, problem
	}
	return &grant{client: app.ClientID, username: user.Username, scopes: scopes}, nil
}

// issue issues the access token and the ID token of a grant.
func (s *Server) issue(g *grant) map[string]any {
	settings := s.currentSettings()
	now := s.now()
	lifetime := settings.AccessTokenLifetime
	if lifetime == 0 {
		lifetime = 8 * time.Hour
	}
	accessToken := s.recordSecret(s.accessToken(g, now, lifetime))
	held := *g
	held.issued, held.expires = now, now.Add(lifetime)
	s.access.Put(accessToken, &held, 1, now, held.expires)
	response := map[string]any{
		"access_token": accessToken,
		"token_type":   "bearer",
		"expires_in":   int(lifetime / time.Second),
		"scope":        strings.Join(g.scopes, " "),
	}
	if g.has("openid") {
		response["id_token"] = s.recordSecret(s.idToken(g, accessToken, now))
	}
	return response
}

// newRefreshToken issues a refresh token. ID tokens of a refresh have no nonce
// (OpenID Connect Core section 12.2).
func (s *Server) newRefreshToken(g *grant) string {
	later := *g
	later.nonce = ""
	token := s.recordSecret("hf_oauth__refresh_" + alphanumeric(34))
	now := s.now()
	s.refresh.Put(token, &later, 1, now, now.Add(refreshLifetime))
	return token
}

// accessToken returns a token like the Hub's: a prefix and a JWT that names the
// app, about 400 bytes long.
func (s *Server) accessToken(g *grant, now time.Time, lifetime time.Duration) string {
	user, _ := s.userNamed(g.username)
	return "hf_oauth_" + jwt.Encode(map[string]any{"alg": "EdDSA"}) + "." + jwt.Encode(map[string]any{
		"scope": g.scopes, "aud": s.URL, "oauthApp": g.client, "sessionId": random("", 16),
		"iat": now.Unix(), "sub": user.ID(), "exp": now.Add(lifetime).Unix(), "iss": s.URL,
	}) + "." + random("", 64)
}

// notInIDToken are the claims that only the userinfo has.
var notInIDToken = []string{"orgs", "isPro", "canPay", "billingMode"}

// idToken returns the ID token (OpenID Connect Core section 2).
func (s *Server) idToken(g *grant, accessToken string, now time.Time) string {
	settings := s.currentSettings()
	lifetime := settings.IDTokenLifetime
	if lifetime == 0 {
		lifetime = time.Hour
	}
	hash := sha256.Sum256([]byte(accessToken))
	claims := map[string]any{
		"iss": s.URL, "aud": g.client, "azp": g.client,
		"iat": now.Unix(), "exp": now.Add(lifetime).Unix(),
		"at_hash": encode(hash[:len(hash)/2]),
	}
	if user, ok := s.userNamed(g.username); ok {
		maps.Copy(claims, user.claims(s.URL, g))
		for _, name := range notInIDToken {
			delete(claims, name)
		}
	}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	key := s.signingKey()
	header := map[string]any{"alg": "RS256", "typ": "JWT", "kid": key.id}
	if settings.IDToken != nil {
		settings.IDToken(header, claims)
	}
	if settings.Sign != nil {
		return settings.Sign(key.private, header, claims)
	}
	return jwt.RS256(key.private, header, claims)
}
