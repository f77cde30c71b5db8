package hfoauthtest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// asked is an http.RoundTripper that fails the test for every request.
type asked struct{ t *testing.T }

func (a asked) RoundTrip(r *http.Request) (*http.Response, error) {
	a.t.Errorf("%s was requested", r.URL)
	return nil, http.ErrNotSupported
}

// A document that is neither https nor on loopback is not requested.
func TestClientIDMetadataDocumentIsNotFetched(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	hub.Configure(func(s *hfoauthtest.Settings) { s.HTTPClient = &http.Client{Transport: asked{t}} })
	for _, clientID := range []string{"http://app.example/cimd", "ftp://127.0.0.1/cimd", "https:///cimd", "cimd"} {
		status, _ := consent(t, hub, authorization(hfoauthtest.App{ClientID: clientID}, nil), url.Values{"user": {"ada"}})
		if status != 400 {
			t.Errorf("%s: %d", clientID, status)
		}
	}
}

// An app with a Client ID Metadata Document over TLS signs a user in.
func TestClientIDMetadataDocumentSignIn(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	mux := http.NewServeMux()
	app := httptest.NewTLSServer(mux)
	defer app.Close()
	hub.Configure(func(s *hfoauthtest.Settings) { s.HTTPClient = app.Client() })
	document := func(path string) map[string]any {
		return map[string]any{"client_id": app.URL + path, "client_name": "App",
			"redirect_uris": []string{redirect}, "token_endpoint_auth_method": "none"}
	}
	mux.HandleFunc("/good", func(w http.ResponseWriter,
		r *http.Request) {
		json.NewEncoder(w).Encode(document("/good"))
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/target", http.StatusFound)
	})
	mux.HandleFunc("/target", func(w http.ResponseWriter,
		r *http.Request) {
		json.NewEncoder(w).Encode(document("/moved"))
	})
	mux.HandleFunc("/huge", func(w http.ResponseWriter, r *http.Request) {
		huge := document("/huge")
		huge["logo_uri"] = strings.Repeat("x", 1<<20)
		json.NewEncoder(w).Encode(huge)
	})
	approve := adaApproves

	params := authorization(hfoauthtest.App{ClientID: app.URL + "/good"}, nil)
	_, response := consent(t, hub, params, approve)
	status, tokens := call(t, hub.URL+"/oauth/token", "", "",
		url.Values{"grant_type": {"authorization_code"}, "client_id": {app.URL + "/good"},
			"code": {response.Get("code")}, "redirect_uri": {redirect}, "code_verifier": {verifier}})
	responds(t, "sign-in", status, tokens, 200, nil)
	equal(t, "sign-in: there is an access token", tokens["access_token"] != nil, true)
	for _, clientID := range []string{
		app.URL + "/moved", app.URL + "/huge", app.URL + "/missing", "http://app.example/cimd",
		"ftp://127.0.0.1/cimd",
	} {
		status, response := consent(t, hub, authorization(hfoauthtest.App{ClientID: clientID}, nil), approve)
		equal(t, clientID+": status", status, 400)
		equal(t, clientID+": response", response.Encode(), "")
	}
	if app.Client().CheckRedirect != nil {
		t.Error("the configured client follows no redirects any more")
	}
}
