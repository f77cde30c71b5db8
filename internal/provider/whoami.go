package provider

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
)

// ErrNoUser is returned by WhoAmI for the token of an organization or an app.
var ErrNoUser = errors.New("the token is not a user's")

// WhoAmI returns the Hub's data about the user of any kind of token (hf_… from
// the user's settings, hf_oauth_…), as JSON with the claim names of the
// userinfo endpoint.
func (p *Provider) WhoAmI(ctx context.Context, token string) ([]byte, error) {
	body, err := p.get(ctx, "whoami", p.config.Issuer+"/api/whoami-v2", token)
	if err != nil {
		return nil, err
	}
	claims, err := p.claims(body)
	if err != nil && !errors.Is(err, ErrNoUser) {
		return nil, invalid("whoami", err)
	}
	return claims, err
}

// claims translates a response of whoami-v2. Its values are copied as they are,
// so readers of the claims must expect any type.
func (p *Provider) claims(body []byte) ([]byte, error) {
	var answer map[string]any
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	if answer["type"] != "user" || answer["id"] == nil || answer["id"] == "" {
		return nil, ErrNoUser
	}
	claims := map[string]any{
		"sub":                answer["id"],
		"preferred_username": answer["name"],
		"name":               answer["fullname"],
		"picture":            p.absolute(answer["avatarUrl"]),
		"email":              answer["email"],
		"email_verified":     answer["emailVerified"],
		"isPro":              answer["isPro"],
		"canPay":             answer["canPay"],
		"billingMode":        answer["billingMode"],
	}
	if name, ok := answer["name"].(string); ok {
		claims["profile"] = p.config.Issuer + "/" + url.PathEscape(name)
	}
	orgs := []any{}
	listed, _ := answer["orgs"].([]any)
	for _, entry := range listed {
		if org, ok := entry.(map[string]any); ok {
			orgs = append(orgs, p.orgClaims(org))
		}
	}
	claims["orgs"] = orgs
	return json.Marshal(claims)
}

// orgClaims keeps the members that have the same name in both, known or not. It
// drops the role unless the response says that the user meets the organization's
// requirements: userinfo has it only for users who do, or says what is unmet.
func (p *Provider) orgClaims(org map[string]any) map[string]any {
	claims := map[string]any{}
	for name, value := range org {
		claims[name] = value
	}
	if org["pendingSSO"] != false || org["missingMFA"] != false {
		delete(claims, "roleInOrg")
	}
	claims["sub"] = org["id"]
	claims["preferred_username"] = org["name"]
	claims["name"] = org["fullname"]
	claims["picture"] = p.absolute(org["avatarUrl"])
	return claims
}

// absolute completes the URL of a default avatar, which is a path on the Hub.
func (p *Provider) absolute(address any) any {
	text, ok := address.(string)
	if !ok || text == "" {
		return nil
	}
	base, err := url.Parse(p.config.Issuer)
	if err != nil {
		return nil
	}
	u, err := base.Parse(text)
	if err != nil {
		return nil
	}
	return u.String()
}
