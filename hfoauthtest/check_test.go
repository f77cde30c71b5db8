package hfoauthtest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// Typos in users are errors and not users who behave in a way of their own.
func TestUsersAreChecked(t *testing.T) {
	member := func(org hfoauthtest.Org) hfoauthtest.User {
		return hfoauthtest.User{Username: "ada", Orgs: []hfoauthtest.Org{org}}
	}
	for name, tt := range map[string]struct {
		users []hfoauthtest.User
		want  string
	}{
		"no username": {[]hfoauthtest.User{{Name: "Ada"}}, "user 1: username is missing"},
		"a user twice": {[]hfoauthtest.User{{Username: "ada"}, {Username: "grace"}, {Username: "ada"}},
			"user 3: the username ada is used twice"},
		"an org without a name": {[]hfoauthtest.User{member(hfoauthtest.Org{Name: "Engines"})},
			"user 1: ada: organization 1: username is missing"},
		"an unknown role": {[]hfoauthtest.User{member(hfoauthtest.Org{Username: "engines",
			Role: "writer"})},
			`user 1: ada: organization engines: unknown role "writer": use one of admin, write, contributor, read, no_access`},
		"that of a group": {[]hfoauthtest.User{member(hfoauthtest.Org{Username: "engines",
			ResourceGroups: []hfoauthtest.ResourceGroup{{Role: "Write"}}})}, `unknown role "Write"`},
		"an enterprise of a kind": {[]hfoauthtest.User{member(hfoauthtest.Org{Username: "engines",
			IsEnterprise: "minus"})}, `isEnterprise must be true, false or "plus"`},
	} {
		got := failureOf(func(f *failure) { hfoauthtest.NewServer(f, tt.users...) })
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: NewServer fails the test with %q, want %q", name, got, tt.want)
		}
		_, err := hfoauthtest.Listen("127.0.0.1:0", tt.users...)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Listen returns %v, want %q", name, err, tt.want)
		}
		hub := hfoauthtest.New("https://hub.example")
		for call, do := range map[string]func(){
			"New":      func() { hfoauthtest.New("https://hub.example", tt.users...) },
			"SetUsers": func() { hub.SetUsers(tt.users...) },
		} {
			if got := panicOf(do); !strings.Contains(got, tt.want) {
				t.Errorf("%s: %s panics with %q, want %q", name, call, got, tt.want)
			}
		}
	}
	hub := hfoauthtest.New("https://hub.example")
	got, want := panicOf(func() { hub.AddUser(hfoauthtest.User{}) }), "username is missing"
	if !strings.Contains(got, want) {
		t.Errorf("AddUser panics with %q, want %q", got, want)
	}
	both := []hfoauthtest.User{{}, member(hfoauthtest.Org{Username: "engines", Role: "owner"})}
	if err := hfoauthtest.CheckUsers(both...); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("of two mistakes CheckUsers names %v, want both", err)
	}
}

func panicOf(do func()) (message string) {
	defer func() { message = fmt.Sprint(recover()) }()
	do()
	return ""
}

// What a person could not do is an error of the test.
func TestPersonsAreChecked(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := tinyApp(hub)
	defer app.Close()
	for name, tt := range map[string]struct {
		person hfoauthtest.Person
		want   string // "" for no error
	}{
		"a typo in an organization": {hfoauthtest.Person{Username: "ada", Orgs: []string{"enginez"}},
			`Person.Orgs has "enginez", but ada is a member of engines, notes`},
		"an organization of another": {hfoauthtest.Person{Username: "grace", Orgs: []string{"engines"}},
			`Person.Orgs has "engines", but grace is a member of no organization`},
		"an empty organization": {hfoauthtest.Person{Username: "ada", Orgs: []string{""}}, `Person.Orgs has ""`},
		"a typo in a user": {hfoauthtest.Person{Username: "adda"},
			`Person.Username is "adda", but there is no such user`},
		"a typo in one who denies": {hfoauthtest.Person{Username: "adda", Deny: true}, `no such user`},
		"the first user's":         {hfoauthtest.Person{Orgs: []string{"notes"}}, ""},
	} {
		browser := hub.Browser(tt.person)
		resp, err := browser.Get(app.URL + "/login")
		if err == nil {
			resp.Body.Close()
		}
		browser.CloseIdleConnections()
		if tt.want == "" {
			equal(t, name+": the browser's error", err, nil)
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: the browser gets the error %v, want %q", name, err, tt.want)
		}
	}
	got, want := failureOf(func(f *failure) { hub.SignIn(f, app.URL+"/login", "adda") }), "no such user"
	if !strings.Contains(got, want) {
		t.Errorf("SignIn of a user who does not exist: %q, want %q", got, want)
	}
}
