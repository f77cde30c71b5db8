// Package hfoauthtest is a stand-in for huggingface.co as an OpenID provider:
// for tests of apps that sign users in with Hugging Face, and for trying them
// on a laptop. It speaks the real protocol over real HTTP on loopback, and
// refuses what the real one refuses.
//
// # Testing your app
//
// Start a [Server], register your app, point the app at it, and sign in as
// one of its users:
//
//	func TestPrivatePage(t *testing.T) {
//		hub := hfoauthtest.NewServer(t)
//		app := httptest.NewServer(nil)
//		defer app.Close()
//		registered := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{app.URL + "/login/callback"}})
//		client, err := hfoauth.New(hfoauth.Config{
//			ClientID:     registered.ClientID,
//			ClientSecret: registered.ClientSecret,
//			ProviderURL:  hub.URL,
//			RedirectURL:  app.URL + "/login/callback",
//		})
//		...
//		browser := hub.SignIn(t, app.URL+"/login", "ada")
//		resp, err := browser.Get(app.URL + "/private")
//		...
//	}
//
// Users and organizations are plain values; [DefaultUsers] has some. What the
// provider does wrong is up to the test: see [Fault] and [Settings].
//
// It is no provider for real users: anyone who reaches it may sign in as
// anyone.
package hfoauthtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/hfoauth/hfoauth/internal/expiring"
)

// TB is the part of testing.TB that this package uses.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Endpoint is one of the addresses a provider answers at.
type Endpoint string

// The endpoints, named by their paths on huggingface.co.
const (
	MetadataEndpoint  Endpoint = "/.well-known/openid-configuration"
	AuthorizeEndpoint Endpoint = "/oauth/authorize"
	TokenEndpoint     Endpoint = "/oauth/token"
	UserInfoEndpoint  Endpoint = "/oauth/userinfo"
	JWKSEndpoint      Endpoint = "/oauth/jwks"
	DeviceEndpoint    Endpoint = "/oauth/device"
	WhoAmIEndpoint    Endpoint = "/api/whoami-v2"
)

const (
	maxRequests = 256     // requests kept per endpoint
	maxGrants   = 100_000 // codes and tokens of a kind kept
)

// Server is a stand-in for huggingface.co. All methods are safe for
// concurrent use.
type Server struct {
	// URL is the issuer, without a trailing slash.
	URL string

	server *http.Server // nil if somebody else serves it
	mux    *http.ServeMux

	mu       sync.Mutex
	settings Settings
	users    []User
	apps     map[string]App
	keys     []signingKey
	faults   map[Endpoint]Fault
	calls    map[Endpoint]int
	requests map[Endpoint][]Request
	secrets  map[string]bool // nil: not recorded
	consents map[string]bool

	codes, access, refresh, devices *expiring.Map[string, *grant]
}

// New returns a Server for an issuer, to be served as an [http.Handler] by
// the caller, for example over TLS. Without users it has [DefaultUsers].
func New(issuer string, users ...User) *Server {
	if len(users) == 0 {
		users = DefaultUsers()
	}
	s := &Server{
		URL:      issuer,
		mux:      http.NewServeMux(),
		users:    slices.Clone(users),
		apps:     map[string]App{},
		keys:     []signingKey{firstKey()},
		faults:   map[Endpoint]Fault{},
		calls:    map[Endpoint]int{},
		requests: map[Endpoint][]Request{},
		consents: map[string]bool{},
	}
	for _, grants := range []**expiring.Map[string, *grant]{&s.codes, &s.access, &s.refresh, &s.devices} {
		*grants = expiring.New[string, *grant](maxGrants, maxGrants)
	}
	s.handle("GET", MetadataEndpoint, s.metadata)
	s.handle("", AuthorizeEndpoint, s.authorize)
	s.handle("POST", TokenEndpoint, s.token)
	s.handle("GET", UserInfoEndpoint, s.userInfo)
	s.handle("GET", JWKSEndpoint, s.jwks)
	s.handle("POST", DeviceEndpoint, s.device)
	s.handle("GET", WhoAmIEndpoint, s.whoAmI)
	s.mux.HandleFunc("GET /device", s.devicePage)
	s.mux.HandleFunc("POST /device", s.deviceDecision)
	return s
}

// Listen starts a Server on a TCP address, which must be on loopback: use
// "127.0.0.1:0" for a free port. Close it when done.
func Listen(address string, users ...User) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("hfoauthtest: %w", err)
	}
	if ip := listener.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
		listener.Close()
		return nil, fmt.Errorf("hfoauthtest: %s is not on loopback: anyone who reaches this server may sign in as anyone", address)
	}
	s := New("http://"+listener.Addr().String(), users...)
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go s.server.Serve(listener)
	return s, nil
}

// NewServer starts a Server for a test on a free loopback port and stops it
// when the test ends. It also remembers every secret it sees, for
// [Server.Secrets].
func NewServer(t TB, users ...User) *Server {
	t.Helper()
	s, err := Listen("127.0.0.1:0", users...)
	if err != nil {
		t.Fatalf("%v", err)
	}
	s.secrets = map[string]bool{}
	t.Cleanup(s.Close)
	return s
}

// Close stops a Server that [Listen] or [NewServer] started, and drops its
// connections.
func (s *Server) Close() {
	if s.server == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.server.Shutdown(ctx); errors.Is(err, context.Canceled) {
		s.server.Close()
	}
}

// Settings are how a Server behaves. The zero value is how huggingface.co
// does, except that it always asks the person.
type Settings struct {
	// Now is the provider's clock; nil for the real one.
	Now func() time.Time

	// AccessTokenLifetime is 8 hours if zero, IDTokenLifetime one hour.
	AccessTokenLifetime time.Duration
	IDTokenLifetime     time.Duration

	// DeviceInterval is how often a device may poll. If zero, it is not told
	// and five seconds, as on the Hub.
	DeviceInterval time.Duration

	// NoRefreshTokens withholds refresh tokens.
	NoRefreshTokens bool

	// IssuerParameter adds iss to authorization responses, and says so in the
	// metadata (RFC 9207).
	IssuerParameter bool

	// RememberConsent lets a browser whose user granted the same scopes to
	// the same app before through without asking.
	RememberConsent bool

	// The functions below may change what the provider is about to answer, to
	// see what an app makes of it. nil changes nothing.
	Metadata              func(document map[string]any)
	JWKS                  func(document map[string]any)
	AuthorizationResponse func(params url.Values)
	TokenResponse         func(response map[string]any)
	IDToken               func(header, claims map[string]any)
	UserInfo              func(claims map[string]any)

	// Sign makes the ID token in place of the provider: a JWT from its header
	// and claims.
	Sign func(header, claims map[string]any) string
}

// Configure changes the settings.
func (s *Server) Configure(change func(*Settings)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.settings)
}

func (s *Server) currentSettings() Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings
}

func (s *Server) now() time.Time {
	if now := s.currentSettings().Now; now != nil {
		return now()
	}
	return time.Now()
}

// Request is a request that an endpoint received.
type Request struct {
	Method string
	Header http.Header
	Form   url.Values // query and body
}

// Requests returns the last requests to an endpoint, oldest first.
func (s *Server) Requests(endpoint Endpoint) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests[endpoint])
}

// Calls returns how many requests an endpoint received.
func (s *Server) Calls(endpoint Endpoint) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[endpoint]
}

// Secrets returns every code, token, verifier and client secret that a Server
// of [NewServer] issued or received, to search logs and pages for.
func (s *Server) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.secrets))
}

func (s *Server) recordSecret(secret string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.secrets != nil && secret != "" {
		s.secrets[secret] = true
	}
	return secret
}

// ServeHTTP answers as the provider.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mux.ServeHTTP(w, r)
}

// handle registers an endpoint behind its fault and the recording of requests.
func (s *Server) handle(method string, endpoint Endpoint, handler http.HandlerFunc) {
	pattern := string(endpoint)
	if method != "" {
		pattern = method + " " + pattern
	}
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		if err := r.ParseForm(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.record(endpoint, r)
		if fault := s.fault(endpoint); fault != nil {
			fault(handler).ServeHTTP(w, r)
			return
		}
		handler(w, r)
	})
}

func (s *Server) record(endpoint Endpoint, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[endpoint]++
	kept := append(s.requests[endpoint], Request{r.Method, r.Header.Clone(), maps.Clone(r.Form)})
	s.requests[endpoint] = kept[max(0, len(kept)-maxRequests):]
}

func (s *Server) metadata(w http.ResponseWriter, r *http.Request) {
	document := map[string]any{
		"issuer":                                s.URL,
		"authorization_endpoint":                s.URL + string(AuthorizeEndpoint),
		"token_endpoint":                        s.URL + string(TokenEndpoint),
		"userinfo_endpoint":                     s.URL + string(UserInfoEndpoint),
		"jwks_uri":                              s.URL + string(JWKSEndpoint),
		"device_authorization_endpoint":         s.URL + string(DeviceEndpoint),
		"response_types_supported":              []string{"code"},
		"grant_types_supported":                 []string{"authorization_code", "refresh_token", deviceGrant, exchangeGrant},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		"code_challenge_methods_supported":      []string{"S256"},
	}
	settings := s.currentSettings()
	if settings.IssuerParameter {
		document["authorization_response_iss_parameter_supported"] = true
	}
	if settings.Metadata != nil {
		settings.Metadata(document)
	}
	writeJSON(w, http.StatusOK, document)
}
