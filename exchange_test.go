package hfoauth_test

import (
	"errors"
	"testing"

	"github.com/hfoauth/hfoauth"
)

func TestMemberToken(t *testing.T) {
	s := newSite(t, nil)
	s.app.Org = "engines"
	s.hub.RegisterApp(s.app)
	token, err := s.client.MemberToken(t.Context(), "ada@example.com", hfoauth.ScopeOpenID, hfoauth.ScopeInferenceAPI)
	if err != nil || !s.works(token.AccessToken) || token.RefreshToken != "" || token.Expiry.IsZero() {
		t.Errorf("%v", err)
	}
	_, err = s.client.MemberToken(t.Context(), "nobody@example.com")
	if answer, ok := errors.AsType[*hfoauth.ProviderError](err); !ok || answer.Code != "invalid_grant" {
		t.Errorf("%v", err)
	}
}
