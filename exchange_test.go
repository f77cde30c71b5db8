package hfoauth_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func TestMemberToken(t *testing.T) {
	s := newSite(t, nil)
	s.app.Org = "engines"
	s.hub.RegisterApp(s.app)
	token, err := s.client.MemberToken(t.Context(), "ada@example.com", hfoauth.ScopeOpenID,
		hfoauth.ScopeInferenceAPI)
	if err != nil {
		t.Fatal(err)
	}
	if !s.works(token.AccessToken) {
		t.Error("the token does not work")
	}
	if token.RefreshToken != "" {
		t.Error("the response has a refresh token")
	}
	if token.Expiry.IsZero() {
		t.Error("the token does not expire")
	}
	_, err = s.client.MemberToken(t.Context(), "nobody@example.com")
	if answer, ok := errors.AsType[*hfoauth.ProviderError](err); !ok || answer.Code != "invalid_grant" {
		t.Errorf("%v", err)
	}
}

// The errors that the Hub documents are returned with their codes
// (https://huggingface.co/docs/hub/oauth).
func TestMemberTokenErrors(t *testing.T) {
	s := newSite(t, nil)
	for _, code := range []string{"invalid_client", "invalid_grant", "invalid_scope"} {
		s.hub.SetFault(hfoauthtest.TokenEndpoint,
			hfoauthtest.Answer(400, `{"error":"`+code+`","error_description":"no"}`))
		token, err := s.client.MemberToken(t.Context(), "ada@example.com")
		answer, ok := errors.AsType[*hfoauth.ProviderError](err)
		if !ok || answer.Code != code {
			t.Errorf("error %v, want the code %q", err, code)
		}
		if token != nil {
			t.Errorf("%s comes with a token", code)
		}
	}
	s.hub.SetFault(hfoauthtest.TokenEndpoint, nil)
	_, err := s.client.MemberToken(t.Context(), "ada@example.com")
	if err == nil || !strings.Contains(err.Error(), "invalid_client") {
		t.Errorf("an app of no organization: %v, want invalid_client", err)
	}
}
