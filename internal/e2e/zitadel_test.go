package e2e

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// zitadelSite is an app whose provider is made from the OpenID-certified
// library github.com/zitadel/oidc.
type zitadelSite struct {
	*site
	storage *storage.Storage
}

func newZitadelSite(t *testing.T, secret string) *zitadelSite {
	t.Helper()
	z := &zitadelSite{}
	z.site = newSite(t, secret, "/oauth/token", func(s *site) http.Handler {
		storage.RegisterClients(storage.WebClient("web", rightSecret, s.redirectURL()))
		z.storage = storage.NewStorage(storage.NewUserStore(s.issuer))
		return zitadelProvider(t, s.issuer, z.storage)
	})
	return z
}

// zitadelProvider serves the protocol, and the two answers of a person.
func zitadelProvider(t *testing.T, issuer string, store *storage.Storage) http.Handler {
	t.Helper()
	provider, err := op.NewProvider(&op.Config{
		CryptoKey:             sha256.Sum256([]byte("test")),
		CodeMethodS256:        true,
		GrantTypeRefreshToken: true,
	}, shortLived{store}, op.StaticIssuer(issuer), op.WithAllowInsecure(),
		op.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	callback := op.AuthCallbackURL(provider)
	withIssuer := op.NewIssuerInterceptor(provider.IssuerFromRequest)
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	mux.HandleFunc("GET /login/username", func(http.ResponseWriter, *http.Request) {}) // the form
	mux.Handle("POST /login/username", withIssuer.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.FormValue("id")
		if err := store.CheckUsernamePassword(r.FormValue("username"), r.FormValue("password"), id); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		http.Redirect(w, r, callback(r.Context(), id), http.StatusFound)
	}))
	mux.HandleFunc("POST /login/deny", func(w http.ResponseWriter, r *http.Request) {
		request, err := store.AuthRequestByID(r.Context(), r.FormValue("id"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		op.AuthRequestError(w, r, request, oidc.ErrAccessDenied(), provider)
	})
	return mux
}

// shortLived is the storage with access tokens that are soon due, so that a
// test sees them renewed.
type shortLived struct{ *storage.Storage }

const shortLife = 3 * time.Second

func (s shortLived) CreateAccessToken(ctx context.Context, request op.TokenRequest) (string, time.Time, error) {
	id, _, err := s.Storage.CreateAccessToken(ctx, request)
	return id, time.Now().Add(shortLife), err
}

func (s shortLived) CreateAccessAndRefreshTokens(ctx context.Context, request op.TokenRequest,
	current string) (string, string, time.Time, error) {
	id, refresh, _, err := s.Storage.CreateAccessAndRefreshTokens(ctx, request, current)
	return id, refresh, time.Now().Add(shortLife), err
}

// answer sends the provider's form, from a sign-in that has begun.
func (z *zitadelSite) answer(path, password string) act {
	return func(person *http.Client) (status int, body string) {
		z.t.Helper()
		resp, err := person.PostForm(z.issuer+path, url.Values{
			"id":       {z.begin(person).Request.URL.Query().Get("authRequestID")},
			"username": {"test-user@localhost"},
			"password": {password},
		})
		if err != nil {
			z.t.Fatal(err)
		}
		return z.read(resp)
	}
}

func (z *zitadelSite) signIn(person *http.Client) (status int, body string) {
	z.t.Helper()
	return z.answer("/login/username", "verysecure")(person)
}

func TestZitadelSignIn(t *testing.T) {
	s := newZitadelSite(t, rightSecret)
	s.checkSignIn(s.signIn, "test-user@zitadel.ch")
}

// The provider ends the session: so does the app, once the access token has
// expired.
func TestZitadelEndsTheSession(t *testing.T) {
	s := newZitadelSite(t, rightSecret)
	s.checkForgotten(s.signIn, func(person *http.Client) {
		if err := s.storage.TerminateSession(t.Context(), s.home(person).User.Sub, "web"); err != nil {
			t.Fatal(err)
		}
	}, http.StatusUnauthorized, "not signed in")
}

func TestZitadelRefusesTheClient(t *testing.T) {
	s := newZitadelSite(t, wrongSecret)
	s.checkWrongSecret(s.signIn, "invalid_client")
}

func TestZitadelRefusesTheUser(t *testing.T) {
	s := newZitadelSite(t, rightSecret)
	s.checkStays(s.answer("/login/username", "wrong"), s.signIn)
}

func TestZitadelUserDenies(t *testing.T) {
	s := newZitadelSite(t, rightSecret)
	s.checkDenied(s.answer("/login/deny", ""), s.signIn)
}
