package bench

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// person is the user as an app without hfoauth would declare it: the claims of the
// userinfo response.
type person struct {
	Sub           string         `json:"sub"`
	Name          string         `json:"name"`
	Username      string         `json:"preferred_username"`
	Profile       string         `json:"profile"`
	Picture       string         `json:"picture"`
	Email         string         `json:"email"`
	EmailVerified bool           `json:"email_verified"`
	IsPro         bool           `json:"isPro"`
	CanPay        bool           `json:"canPay"`
	Orgs          []organization `json:"orgs"`
}

type organization struct {
	Sub          string `json:"sub"`
	Name         string `json:"name"`
	Username     string `json:"preferred_username"`
	Picture      string `json:"picture"`
	Plan         string `json:"plan"`
	IsEnterprise bool   `json:"isEnterprise"`
	Role         string `json:"roleInOrg"`
}

// GetSubject is the method that zitadel/oidc requires of a type for userinfo.
func (p *person) GetSubject() string { return p.Sub }

// session is what an app keeps of a sign-in between requests.
type session struct {
	User         person    `json:"user"`
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token"`
	Expiry       time.Time `json:"expiry"`
}

const (
	accessTokenSize  = 500
	refreshTokenSize = 80
	tokenLifetime    = 8 * time.Hour
)

// orgCounts are the sizes of user that are measured.
var orgCounts = []int{0, 3, 100}

// newSession returns a session of a user in a number of organizations. The same
// number gives the same session, except for its expiry.
func newSession(orgs int) *session {
	random := rand.New(rand.NewPCG(1, uint64(orgs)))
	s := &session{
		User: person{
			Sub:           hexID(random),
			Name:          "Ada Lovelace",
			Username:      "ada-lovelace",
			Profile:       "https://huggingface.co/ada-lovelace",
			Picture:       avatar(random),
			Email:         "ada@example.com",
			EmailVerified: true,
			IsPro:         true,
			Orgs:          make([]organization, orgs),
		},
		AccessToken:  "hf_oauth_" + letters(random, accessTokenSize-len("hf_oauth_")),
		RefreshToken: "hf_oauth_refresh_" + letters(random, refreshTokenSize-len("hf_oauth_refresh_")),
		Expiry:       time.Now().Add(tokenLifetime).Round(time.Second),
	}
	for i := range s.User.Orgs {
		s.User.Orgs[i] = organization{
			Sub:      hexID(random),
			Name:     fmt.Sprintf("Analytical Engines %d", i),
			Username: fmt.Sprintf("analytical-engines-%d", i),
			Picture:  avatar(random),
			Plan:     "team",
			Role:     "write",
		}
	}
	return s
}

func hexID(random *rand.Rand) string {
	return fmt.Sprintf("%012x%012x", random.Uint64N(1<<48), random.Uint64N(1<<48))
}

func avatar(random *rand.Rand) string {
	return "https://cdn-avatars.huggingface.co/v1/production/uploads/" + hexID(random) + "/" +
		letters(random, 21) + ".png"
}

func letters(random *rand.Rand, n int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	text := make([]byte, n)
	for i := range text {
		text[i] = alphabet[random.IntN(len(alphabet))]
	}
	return string(text)
}

// wantUser fails unless got, of whatever type, has the claims of want.
func wantUser(t *testing.T, got any, want *person) {
	t.Helper()
	if g, w := claims(t, got), claims(t, want); g != w {
		t.Errorf("user is\n%s\nnot\n%s", g, w)
	}
}

// claims returns user as a person in JSON. No organizations and an empty list
// of them are the same.
func claims(t *testing.T, user any) string {
	t.Helper()
	var p person
	if err := json.Unmarshal(mustJSON(t, user), &p); err != nil {
		t.Fatal(err)
	}
	if p.Orgs == nil {
		p.Orgs = []organization{}
	}
	return string(mustJSON(t, p))
}
