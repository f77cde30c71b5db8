package e2e

import (
	"log/slog"
	"net/http"
	"net/url"
	"testing"

	"github.com/dexidp/dex/server"
	"github.com/dexidp/dex/storage"
	"github.com/dexidp/dex/storage/memory"
)

// dexSite is an app whose provider is the server of github.com/dexidp/dex,
// with a connector that signs in one fixed user.
type dexSite struct {
	*site
	storage storage.Storage
}

func newDexSite(t *testing.T, secret string) *dexSite {
	t.Helper()
	d := &dexSite{}
	d.site = newSite(t, secret, "/token", func(s *site) http.Handler {
		d.storage = memory.New(slog.New(slog.DiscardHandler))
		return dexProvider(t, s, d.storage)
	})
	return d
}

func dexProvider(t *testing.T, s *site, store storage.Storage) http.Handler {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	client := storage.Client{ID: "web", Secret: rightSecret, Name: "An app", RedirectURIs: []string{s.redirectURL()}}
	if err := store.CreateClient(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	connector := storage.Connector{ID: "mock", Type: "mockCallback", Name: "Mock", ResourceVersion: "1"}
	if err := store.CreateConnector(t.Context(), connector); err != nil {
		t.Fatal(err)
	}
	rotate, err := server.NewRefreshTokenPolicy(logger, false, "", "", "")
	if err != nil {
		t.Fatal(err)
	}
	provider, err := server.NewServer(t.Context(), server.Config{
		Issuer:             s.issuer,
		Storage:            store,
		IDTokensValidFor:   shortLife, // its access tokens are ID tokens
		RefreshTokenPolicy: rotate,
		Logger:             logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	return provider
}

// answer is the person's decision on the consent page, at which a sign-in
// arrives by itself.
func (d *dexSite) answer(decision string) act {
	return func(person *http.Client) (status int, body string) {
		d.t.Helper()
		page := d.begin(person).Request.URL
		resp, err := person.PostForm(page.String(), url.Values{"req": {page.Query().Get("req")}, "approval": {decision}})
		if err != nil {
			d.t.Fatal(err)
		}
		return d.read(resp)
	}
}

func TestDexSignIn(t *testing.T) {
	s := newDexSite(t, rightSecret)
	s.checkSignIn(s.answer("approve"), "kilgore@kilgore.trout")
}

// Dex calls a refresh token that it forgot an invalid_request, not an
// invalid_grant as RFC 6749 section 5.2 says. The user is asked to sign in all
// the same, and the error says why.
func TestDexForgetsTheUser(t *testing.T) {
	s := newDexSite(t, rightSecret)
	s.checkForgotten(s.answer("approve"), func(*http.Client) {
		tokens, err := s.storage.ListRefreshTokens()
		if err != nil || len(tokens) != 1 {
			t.Fatalf("%d refresh tokens, %v", len(tokens), err)
		}
		if err := s.storage.DeleteRefresh(tokens[0].ID); err != nil {
			t.Fatal(err)
		}
	}, http.StatusUnauthorized, "already been claimed")
}

func TestDexRefusesTheClient(t *testing.T) {
	s := newDexSite(t, wrongSecret)
	s.checkWrongSecret(s.answer("approve"), "invalid_client")
}

// Dex handles a refusal itself, and does not send the browser back.
func TestDexUserDenies(t *testing.T) {
	s := newDexSite(t, rightSecret)
	s.checkStays(s.answer("rejected"), s.answer("approve"))
}
