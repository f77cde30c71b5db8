package bench

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/gorilla/sessions"
	"github.com/markbates/goth"
	"github.com/markbates/goth/gothic"
	"github.com/markbates/goth/providers/openidConnect"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	httphelper "github.com/zitadel/oidc/v3/pkg/http"
	zitadel "github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"
)

// contender is an app that signs users in, at loginPath and callbackPath.
type contender struct {
	name    string
	handler http.Handler
	user    func(*http.Request) (any, error)
}

// contenders returns one app for each library, all of them using p.
func contenders(tb testing.TB, p *provider) []contender {
	return []contender{newHFOAuth(tb, p), newGoOIDC(tb, p), newZitadel(tb, p), newGoth(tb, p)}
}

func routes(login, callback http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+loginPath, login)
	mux.Handle("GET "+callbackPath, callback)
	return mux
}

// newGoOIDC is what an app would write by hand around oauth2 and go-oidc, like
// go-oidc's examples: state and nonce in cookies, no PKCE.
func newGoOIDC(tb testing.TB, p *provider) contender {
	withClient := func(ctx context.Context) context.Context { return oidc.ClientContext(ctx, p.client) }
	discovered, err := oidc.NewProvider(withClient(tb.Context()), p.URL)
	if err != nil {
		tb.Fatal(err)
	}
	verifier := discovered.VerifierContext(withClient(context.Background()), &oidc.Config{ClientID: clientID})
	config := oauth2.Config{
		ClientID: clientID, ClientSecret: clientSecret, RedirectURL: appURL + callbackPath,
		Endpoint: discovered.Endpoint(), Scopes: scopes,
	}
	sessions := newGorillaKeeper(asJSON)

	login := func(w http.ResponseWriter, r *http.Request) {
		state, nonce := rand.Text(), rand.Text()
		for name, value := range map[string]string{"state": state, "nonce": nonce} {
			http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: 600, Secure: true,
				HttpOnly: true})
		}
		http.Redirect(w, r, config.AuthCodeURL(state, oidc.Nonce(nonce)), http.StatusFound)
	}

	callback := func(w http.ResponseWriter, r *http.Request) {
		state, err := r.Cookie("state")
		if err != nil || state.Value != r.FormValue("state") {
			http.Error(w, "state does not match", http.StatusBadRequest)
			return
		}
		ctx := withClient(r.Context())
		token, err := config.Exchange(ctx, r.FormValue("code"))
		if err != nil {
			http.Error(w, "code exchange failed", http.StatusBadGateway)
			return
		}
		rawIDToken, _ := token.Extra("id_token").(string)
		idToken, err := verifier.Verify(ctx, rawIDToken)
		if err != nil {
			http.Error(w, "ID token is not valid", http.StatusBadGateway)
			return
		}
		nonce, err := r.Cookie("nonce")
		if err != nil || nonce.Value != idToken.Nonce {
			http.Error(w, "nonce does not match", http.StatusBadRequest)
			return
		}
		userinfo, err := discovered.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err != nil || userinfo.Subject != idToken.Subject {
			http.Error(w, "userinfo failed", http.StatusBadGateway)
			return
		}
		var user person
		if err := userinfo.Claims(&user); err != nil {
			http.Error(w, "userinfo is not valid", http.StatusBadGateway)
			return
		}
		finish(w, r, sessions, user, token)
	}

	return contender{"x/oauth2 + go-oidc + gorilla/sessions",
		routes(http.HandlerFunc(login), http.HandlerFunc(callback)), sessions.user}
}

// newZitadel uses zitadel/oidc's handlers with PKCE, and its cookie handler for the
// session as well.
func newZitadel(tb testing.TB, p *provider) contender {
	party, err := rp.NewRelyingPartyOIDC(tb.Context(), p.URL, clientID, clientSecret, appURL+callbackPath, scopes,
		rp.WithHTTPClient(p.client),
		rp.WithPKCE(httphelper.NewCookieHandler(hashKey, blockKey)))
	if err != nil {
		tb.Fatal(err)
	}
	sessions := newZitadelKeeper()
	signedIn := func(w http.ResponseWriter, r *http.Request,
		tokens *zitadel.Tokens[*zitadel.IDTokenClaims], _ string, _ rp.RelyingParty, user *person) {
		finish(w, r, sessions, *user, tokens.Token)
	}
	return contender{"zitadel/oidc", routes(
		rp.AuthURLHandler(rand.Text, party),
		rp.CodeExchangeHandler(rp.UserinfoCallback(signedIn), party),
	), sessions.user}
}

// newGoth uses goth's OpenID Connect provider. goth keeps its providers and its store
// in package variables, so the latest call wins.
func newGoth(tb testing.TB, p *provider) contender {
	provider, err := openidConnect.New(clientID, clientSecret, appURL+callbackPath,
		p.URL+"/.well-known/openid-configuration", scopes...)
	if err != nil {
		tb.Fatal(err)
	}
	provider.HTTPClient = p.client
	goth.UseProviders(provider)
	gothic.Store = sessions.NewCookieStore(hashKey, blockKey)
	sessions := newGorillaKeeper(asJSON)

	login := func(w http.ResponseWriter, r *http.Request) {
		gothic.BeginAuthHandler(w, gothic.GetContextWithProvider(r, provider.Name()))
	}
	callback := func(w http.ResponseWriter, r *http.Request) {
		r = gothic.GetContextWithProvider(r, provider.Name())
		found, err := gothic.CompleteUserAuth(w, r)
		if err != nil {
			http.Error(w, "sign-in failed", http.StatusBadRequest)
			return
		}
		user, err := personFromClaims(found.RawData)
		if err != nil {
			http.Error(w, "claims are not valid", http.StatusBadGateway)
			return
		}
		finish(w, r, sessions, *user, &oauth2.Token{AccessToken: found.AccessToken,
			RefreshToken: found.RefreshToken, Expiry: found.ExpiresAt})
	}
	return contender{"goth", routes(http.HandlerFunc(login), http.HandlerFunc(callback)), sessions.user}
}

// personFromClaims takes the organizations and the rest from the untyped claims that
// goth returns.
func personFromClaims(claims map[string]any) (*person, error) {
	text, err := json.Marshal(claims)
	if err != nil {
		return nil, err
	}
	user := &person{}
	return user, json.Unmarshal(text, user)
}

// finish keeps the session of a user who signed in and sends them home.
func finish(w http.ResponseWriter, r *http.Request, sessions keeper, user person, token *oauth2.Token) {
	s := &session{User: user, AccessToken: token.AccessToken, RefreshToken: token.RefreshToken,
		Expiry: token.Expiry}
	if err := sessions.keep(w, r, s); err != nil {
		http.Error(w, "session was not kept", http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, "/", http.StatusFound)
}
