package provider

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
)

// ErrNoUser is the error of WhoAmI for the token of an organization or an app.
var ErrNoUser = errors.New("the token is not a user's")

// WhoAmI returns what the Hub says about the user whose token it is, of any
// kind (hf_… of the user's settings, hf_oauth_…), as JSON under the names of
// the claims of the userinfo endpoint.
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

// claims translates an answer of whoami-v2. Its members are taken as they are:
// whoever reads claims must expect any type.
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

// orgClaims keeps members that have the same names in both, known or not. The
// role goes unless the answer says that the user meets what the organization
// demands: userinfo has it only for those who do, or says what is unmet.
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

// absolute completes the address of a default avatar, which is a path of the
// Hub.
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
