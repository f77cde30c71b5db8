package provider

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"testing"
)

func TestWhoAmI(t *testing.T) {
	const ada = `{"type":"user","id":"5dd9","name":"ada","fullname":"Ada Lovelace",
		"email":"ada@example.com","emailVerified":true,
		"isPro":true,"canPay":true,"billingMode":"postpaid","avatarUrl":"/avatars/1.svg","auth":{"type":"access_token"},
		"orgs":[{"type":"org","id":"6a","name":"engines","fullname":"Analytical Engines",
			"avatarUrl":"https://cdn.example/e.png","roleInOrg":"admin","pendingSSO":false,"missingMFA":false,
			"isEnterprise":true,"canPay":true}, 7]}`
	for name, tt := range map[string]struct {
		body, want string
		err        error
	}{
		"user": {ada, `{"sub":"5dd9","preferred_username":"ada","name":"Ada Lovelace",
			"profile":"https://hub.example/ada","picture":"https://hub.example/avatars/1.svg",
			"email":"ada@example.com","email_verified":true,"isPro":true,"canPay":true,"billingMode":"postpaid",
			"orgs":[{"type":"org","id":"6a","fullname":"Analytical Engines",
				"avatarUrl":"https://cdn.example/e.png","sub":"6a","name":"Analytical Engines",
				"preferred_username":"engines","picture":"https://cdn.example/e.png","roleInOrg":"admin",
				"pendingSSO":false,"missingMFA":false,"isEnterprise":true,"canPay":true}]}`, nil},
		"organization": {`{"type":"org","id":"6a","name":"engines"}`, "", ErrNoUser},
		"app":          {`{"type":"app","id":"6a"}`, "", ErrNoUser},
		"no ID":        {`{"type":"user"}`, "", ErrNoUser},
		"empty ID":     {`{"type":"user","id":""}`, "", ErrNoUser},
		"no type":      {`{"id":"5dd9"}`, "", ErrNoUser},
		"little is known": {`{"type":"user","id":"5dd9","name":"a/b?c","avatarUrl":"","emailVerified":false}`,
			`{"sub":"5dd9","preferred_username":"a/b?c","profile":"https://hub.example/a%2Fb%3Fc",` +
				`"email_verified":false,"orgs":[]}`, nil},
	} {
		p := newProvider(issuer, func(*http.Request) (*http.Response, error) { return answer(200, tt.body), nil })
		got, err := p.WhoAmI(t.Context(), "hf_x")
		if !errors.Is(err, tt.err) {
			t.Errorf("%s: error %v, want %v", name, err, tt.err)
		}
		if tt.want != "" && !sameJSON(t, string(got), tt.want) {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	p := newProvider(issuer, func(*http.Request) (*http.Response, error) { return answer(200, "[]"), nil })
	if body, err := p.WhoAmI(t.Context(), "hf_x"); body != nil || errors.Is(err, ErrNoUser) {
		t.Errorf("a list: %s, %v", body, err)
	}
	_, err := p.WhoAmI(t.Context(), "hf_x")
	if e := (*Error)(nil); !errors.As(err, &e) || e.Kind != Invalid {
		t.Errorf("a list: error %v", err)
	}
}

// A role is kept only if the response says that the organization's requirements
// are met.
func TestWhoAmIRoles(t *testing.T) {
	for demands, want := range map[string]any{
		`"pendingSSO":false,"missingMFA":false`: "admin",
		`"pendingSSO":true,"missingMFA":false`:  nil,
		`"pendingSSO":false,"missingMFA":true`:  nil,
		`"pendingSSO":false`:                    nil,
		`"missingMFA":false`:                    nil,
		`"pendingSSO":"false","missingMFA":0`:   nil,
		`"plan":"team"`:                         nil,
	} {
		body := `{"type":"user","id":"5dd9","orgs":[{"name":"engines","roleInOrg":"admin",` + demands + `}]}`
		p := newProvider(issuer, func(*http.Request) (*http.Response, error) { return answer(200, body), nil })
		got, err := p.WhoAmI(t.Context(), "hf_x")
		if err != nil {
			t.Fatal(err)
		}
		var claims struct{ Orgs []map[string]any }
		if err := json.Unmarshal(got, &claims); err != nil {
			t.Fatal(err)
		}
		if role := claims.Orgs[0]["roleInOrg"]; role != want {
			t.Errorf("with %s: role %v, want %v", demands, role, want)
		}
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var left, right map[string]any
	if err := errors.Join(json.Unmarshal([]byte(a), &left), json.Unmarshal([]byte(b), &right)); err != nil {
		t.Fatal(err)
	}
	for name, value := range left {
		if value == nil {
			delete(left, name)
		}
	}
	return reflect.DeepEqual(left, right)
}

// A token that does not belong to a user has its own error, and is not an invalid
// response.
func TestWhoAmIOfNoUser(t *testing.T) {
	h, p := newHub()
	h.answers("/api/whoami-v2", 200, `{"type":"org","id":"6a"}`)
	body, err := p.WhoAmI(t.Context(), "hf_x")
	if err != ErrNoUser || body != nil {
		t.Errorf("%s, %v, want only ErrNoUser", body, err)
	}
	if got := h.received("/api/whoami-v2")[0].Header.Get("Authorization"); got != "Bearer hf_x" {
		t.Errorf("Authorization %q, want the token", got)
	}
}
