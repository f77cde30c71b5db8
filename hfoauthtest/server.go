package hfoauthtest

import (
	"crypto/rsa"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hfoauth/hfoauth/internal/expiring"
	"github.com/hfoauth/hfoauth/internal/guard"
)

// TB is the part of testing.TB that this package uses, so that importing it does
// not link package testing into a program.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
	Setenv(key, value string)
}

// Endpoint is the path of one of the provider's endpoints.
type Endpoint string

// The endpoints have the same paths as on huggingface.co.
const (
	MetadataEndpoint  Endpoint = "/.well-known/openid-configuration"
	AuthorizeEndpoint Endpoint = "/oauth/authorize"
	TokenEndpoint     Endpoint = "/oauth/token"
	UserInfoEndpoint  Endpoint = "/oauth/userinfo"
	JWKSEndpoint      Endpoint = "/oauth/jwks"
	DeviceEndpoint    Endpoint = "/oauth/device"
	RegisterEndpoint  Endpoint = "/oauth/register"
	WhoAmIEndpoint    Endpoint = "/api/whoami-v2"

	// ServerMetadataEndpoint is the metadata endpoint of RFC 8414.
	ServerMetadataEndpoint Endpoint = "/.well-known/oauth-authorization-server"
)

// maxGrants limits the number of codes, and of tokens of each kind.
const maxGrants = 100_000

// Server is a stand-in for huggingface.co. All methods are safe for
// concurrent use.
type Server struct {
	// URL is the issuer, without a trailing slash.
	URL string

	host   string // of URL
	mux    *http.ServeMux
	server *http.Server  // nil if the caller serves it
	ended  chan struct{} // closed when server has stopped

	mu       sync.Mutex
	settings Settings
	users    []User // replaced, never modified in place
	apps     map[string]App
	keys     []signingKey
	faults   map[Endpoint]Fault
	calls    map[Endpoint]int
	requests []Request       // a ring buffer once it is full
	oldest   int             // index in requests
	secrets  map[string]bool // nil: not recorded

	codes, access, refresh, usedRefresh, devices, consents, signs *expiring.Map[string, *grant]

	registered *expiring.Map[string, *App] // by client ID (RFC 7591)
}

// New returns a Server for an issuer such as "https://hub.example", which must
// have no path. The caller serves it there as an [http.Handler], for example over
// TLS. Without users it has [DefaultUsers]. It panics unless [CheckUsers] accepts
// them.
func New(issuer string, users ...User) *Server {
	if len(users) == 0 {
		users = DefaultUsers()
	}
	s := &Server{
		URL:    strings.TrimRight(issuer, "/"),
		mux:    http.NewServeMux(),
		apps:   map[string]App{},
		keys:   []signingKey{firstKey()},
		faults: map[Endpoint]Fault{},
		calls:  map[Endpoint]int{},
	}
	_, s.host, _ = strings.Cut(s.URL, "://")
	s.SetUsers(users...)
	for _, grants := range []**expiring.Map[string, *grant]{
		&s.codes, &s.access, &s.refresh, &s.usedRefresh, &s.devices, &s.consents, &s.signs,
	} {
		*grants = expiring.New[string, *grant](maxGrants, maxGrants)
	}
	s.registered = expiring.New[string, *App](maxGrants, maxGrants)
	s.mux.Handle(string(AuthorizeEndpoint), s.endpoint(AuthorizeEndpoint, s.authorize))
	s.handle("GET", MetadataEndpoint, s.metadata)
	s.handle("GET", ServerMetadataEndpoint, s.serverMetadata)
	s.handle("POST", RegisterEndpoint, s.register)
	s.handle("POST", TokenEndpoint, s.token)
	s.handle("GET", UserInfoEndpoint, s.userInfo)
	s.handle("GET", JWKSEndpoint, s.jwks)
	s.handle("POST", DeviceEndpoint, s.device)
	s.handle("GET", WhoAmIEndpoint, s.whoAmI)
	s.mux.HandleFunc("GET /{$}", s.startPage)
	s.mux.HandleFunc("POST /login", s.login)
	s.mux.HandleFunc("GET /logout", s.startPage)
	s.mux.HandleFunc("POST /logout", s.logout)
	s.mux.HandleFunc("GET "+string(DeviceEndpoint), s.devicePage)
	s.mux.HandleFunc("POST /device", s.deviceDecision)
	s.mux.HandleFunc("GET /spaces/{host}", s.spacePage)
	s.mux.HandleFunc("GET "+avatarPath+"{username}", s.avatar)
	return s
}

// Listen starts a Server on a TCP address, which must be on loopback; for a free
// port, use "127.0.0.1:0". The issuer keeps the host of the address, for example
// "localhost". Call Close to stop the Server. Without users it has
// [DefaultUsers].
func Listen(address string, users ...User) (*Server, error) {
	if err := CheckUsers(users...); err != nil {
		return nil, fmt.Errorf("hfoauthtest: %w", err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("hfoauthtest: %w", err)
	}
	bound := listener.Addr().(*net.TCPAddr)
	if !bound.IP.IsLoopback() {
		listener.Close()
		return nil, fmt.Errorf("hfoauthtest: %s is not on loopback, "+
			"and anyone who can reach this server may sign in as anyone: use 127.0.0.1", address)
	}
	name, _ := guard.SplitPort(address)
	s := New("http://"+net.JoinHostPort(name, strconv.Itoa(bound.Port)), users...)
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.ended = make(chan struct{})
	go func() {
		defer close(s.ended)
		s.server.Serve(listener)
	}()
	return s, nil
}

// NewServer starts a Server on a free loopback port and stops it when the test
// ends. The Server records all secrets for [Server.Secrets]. Without users it has
// [DefaultUsers].
func NewServer(t TB, users ...User) *Server {
	t.Helper()
	s, err := Listen("127.0.0.1:0", users...)
	if err != nil {
		t.Fatalf("%v", err)
	}
	s.recordSecrets()
	t.Cleanup(s.Close)
	return s
}

// Close stops a Server of [Listen] or [NewServer] and closes its connections. It
// does nothing for a Server of [New].
func (s *Server) Close() {
	if s.server != nil {
		s.server.Close()
		<-s.ended
	}
}

// Settings control how a Server behaves. With the zero value it behaves like
// huggingface.co.
type Settings struct {
	// Now is the provider's clock. If nil, time.Now is used.
	Now func() time.Time

	// AccessTokenLifetime is 8 hours if zero; IDTokenLifetime is one hour.
	AccessTokenLifetime time.Duration
	IDTokenLifetime     time.Duration

	// DeviceInterval is the minimum interval between polls of a device. If zero,
	// it is five seconds and the response has no interval, as on the Hub.
	DeviceInterval time.Duration

	// NoRefreshTokens makes the provider issue no refresh tokens.
	NoRefreshTokens bool

	// ReuseDetection ends all tokens of a sign-in when one of its refresh
	// tokens is used a second time (RFC 9700 section 4.14.2).
	ReuseDetection bool

	// IssuerParameter adds iss to authorization responses and announces it in the
	// metadata (RFC 9207).
	IssuerParameter bool

	// AlwaysAsk shows the consent page at every sign-in. If false, it appears
	// once for each person, app and set of scopes, as on the Hub: if the person
	// is signed in at the provider and granted the same before, the browser is
	// redirected to the app at once.
	AlwaysAsk bool

	// ApproveAs is the username of a user who approves every sign-in at once, for
	// tests in a headless browser, and every device login that is undecided when
	// the device first asks. Organizations are granted if the app requests
	// them (orgIds). A person who signed in at the start page takes precedence,
	// and Server.SignIn and Server.Browser still act for their own person. If
	// empty, the consent page is shown.
	ApproveAs string

	// HTTPClient fetches Client ID Metadata Documents. If nil,
	// http.DefaultClient is used. In both cases no redirects are followed, and
	// the timeout is 10 seconds.
	HTTPClient *http.Client

	// The functions below may modify the provider's responses, to test how an app
	// handles them. If nil, the responses are unchanged. They are called
	// concurrently.
	Metadata              func(document map[string]any)
	JWKS                  func(document map[string]any)
	AuthorizationResponse func(params url.Values)
	TokenResponse         func(response map[string]any)
	IDToken               func(header, claims map[string]any)
	UserInfo              func(claims map[string]any)
	WhoAmI                func(answer map[string]any)
	DeviceResponse        func(response map[string]any)

	// Sign returns the ID token for the header and claims that IDToken may have
	// modified. key is the current key. If nil, the provider signs with RS256.
	Sign func(key *rsa.PrivateKey, header, claims map[string]any) string
}

// Configure changes the settings from the next request on.
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

// ServeHTTP implements http.Handler: it serves the provider.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mux.ServeHTTP(w, r)
}

// handle registers an endpoint that apps call from servers and browsers.
func (s *Server) handle(method string, endpoint Endpoint, handler http.HandlerFunc) {
	s.mux.Handle(string(endpoint), crossOrigin(method, s.endpoint(endpoint, handler)))
}

// endpoint wraps a handler to record its requests and apply its fault.
func (s *Server) endpoint(endpoint Endpoint, handler http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		if err := r.ParseForm(); err != nil {
			badRequest("invalid_request", "the form cannot be parsed").write(w)
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

// grantTypes are the grant types of the token endpoint.
var grantTypes = []string{codeGrant, refreshGrant, deviceGrant, exchangeGrant}

// metadata serves the provider configuration (OpenID Connect Discovery section 4).
func (s *Server) metadata(w http.ResponseWriter, r *http.Request) {
	s.writeMetadata(w, nil)
}

// serverMetadata serves the metadata of RFC 8414, which unregistered apps use.
func (s *Server) serverMetadata(w http.ResponseWriter, r *http.Request) {
	s.writeMetadata(w, map[string]any{
		"registration_endpoint":                 s.URL + string(RegisterEndpoint),
		"client_id_metadata_document_supported": true,
	})
}

func (s *Server) writeMetadata(w http.ResponseWriter, more map[string]any) {
	document := map[string]any{
		"issuer":                                s.URL,
		"authorization_endpoint":                s.URL + string(AuthorizeEndpoint),
		"token_endpoint":                        s.URL + string(TokenEndpoint),
		"userinfo_endpoint":                     s.URL + string(UserInfoEndpoint),
		"jwks_uri":                              s.URL + string(JWKSEndpoint),
		"device_authorization_endpoint":         s.URL + string(DeviceEndpoint),
		"response_types_supported":              []string{"code"},
		"grant_types_supported":                 grantTypes,
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		"code_challenge_methods_supported":      []string{"S256"},
	}
	maps.Copy(document, more)
	settings := s.currentSettings()
	if settings.IssuerParameter {
		document["authorization_response_iss_parameter_supported"] = true
	}
	if settings.Metadata != nil {
		settings.Metadata(document)
	}
	writeJSON(w, http.StatusOK, document)
}
