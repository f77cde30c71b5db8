package hfoauth_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

const adaClaims = `{"sub":"5dd96eb166059660ed1ee413","name":"Ada Lovelace","preferred_username":"ada",
 "profile":"https://huggingface.co/ada","picture":"https://cdn.example/avatar.png","website":"https://ada.example",
 "email":"ada@example.com","email_verified":true,"isPro":true,"canPay":true,"billingMode":"postpaid",
 "orgs":[{"sub":"6a","name":"Analytical Engines","preferred_username":"engines","picture":"https://cdn.example/e.png",
   "plan":"enterprise","isEnterprise":true,"canPay":true,"roleInOrg":"admin","pendingSSO":true,"missingMFA":true,
   "securityRestrictions":["mfa","sso","ip","token-policy"],
   "resourceGroups":[{"sub":"r1","name":"group","role":"write"}]},
  {"sub":"6b","name":"Plus","preferred_username":"plus","picture":"","plan":"plus","isEnterprise":"plus"}]}`

func TestUserClaims(t *testing.T) {
	var user hfoauth.User
	if err := json.Unmarshal([]byte(adaClaims), &user); err != nil {
		t.Fatal(err)
	}
	want := hfoauth.User{
		Sub: "5dd96eb166059660ed1ee413", Username: "ada", Name: "Ada Lovelace",
		ProfileURL: "https://huggingface.co/ada", Picture: "https://cdn.example/avatar.png",
		Website: "https://ada.example",
		Email:   "ada@example.com", EmailVerified: true, IsPro: true, CanPay: true, BillingMode: "postpaid",
		Orgs: []hfoauth.Org{{
			Sub: "6a", Username: "engines", Name: "Analytical Engines", Picture: "https://cdn.example/e.png",
			Plan: hfoauth.PlanEnterprise, IsEnterprise: true, CanPay: true, Role: hfoauth.RoleAdmin,
			PendingSSO: true, MissingMFA: true,
			SecurityRestrictions: []string{"mfa", "sso", "ip", "token-policy"},
			ResourceGroups:       []hfoauth.ResourceGroup{{Sub: "r1", Name: "group", Role: hfoauth.RoleWrite}},
		}, {Sub: "6b", Username: "plus", Name: "Plus", Plan: hfoauth.PlanPlus, IsEnterprise: true}},
	}
	if !reflect.DeepEqual(user, want) {
		t.Errorf("decoded\n%+v\nwant\n%+v", user, want)
	}
	marshaled, err := json.Marshal(user)
	if err != nil {
		t.Fatal(err)
	}
	var claims, wantClaims any
	json.Unmarshal(marshaled, &claims)
	// the plan says plus
	plainClaims := strings.Replace(adaClaims, `"isEnterprise":"plus"`, `"isEnterprise":true`, 1)
	json.Unmarshal([]byte(plainClaims), &wantClaims)
	if !reflect.DeepEqual(claims, wantClaims) {
		t.Errorf("marshaled\n%s\nwant\n%s", marshaled, plainClaims)
	}
}

func TestOddClaims(t *testing.T) {
	tests := map[string]struct {
		claims string
		want   hfoauth.User
	}{
		"only sub":         {`{"sub":"1"}`, hfoauth.User{Sub: "1"}},
		"extra":            {`{"sub":"1","new":{"a":[1]}}`, hfoauth.User{Sub: "1"}},
		"null":             {`{"sub":"1","name":null,"orgs":null,"isPro":null}`, hfoauth.User{Sub: "1"}},
		"numbers for text": {`{"sub":"1","name":5,"picture":{},"isPro":1}`, hfoauth.User{Sub: "1"}},
		"text for bool": {`{"sub":"1","email_verified":"true","isPro":"false"}`,
			hfoauth.User{Sub: "1", EmailVerified: true}},
		"orgs no array": {`{"sub":"1","orgs":"none"}`, hfoauth.User{Sub: "1"}},
		"odd org": {`{"sub":"1","orgs":[5,{"sub":"2","roleInOrg":7,"securityRestrictions":"mfa"},null]}`,
			hfoauth.User{Sub: "1", Orgs: []hfoauth.Org{{Sub: "2", SecurityRestrictions: []string{"mfa"}}}}},
		"one group": {`{"sub":"1","orgs":[{"sub":"2","resourceGroups":{"sub":"3","name":"g",` +
			`"role":"read"}}]}`, hfoauth.User{Sub: "1",
			Orgs: []hfoauth.Org{{Sub: "2", ResourceGroups: []hfoauth.ResourceGroup{{Sub: "3", Name: "g", Role: "read"}}}}}},
		"plus beside plan": {`{"sub":"1","orgs":[{"sub":"2","plan":"team","isEnterprise":"plus"}]}`,
			hfoauth.User{Sub: "1", Orgs: []hfoauth.Org{{Sub: "2", IsEnterprise: true, Plan: "team"}}}},
		"plus without plan": {`{"sub":"1","orgs":[{"sub":"2","isEnterprise":"plus"}]}`,
			hfoauth.User{Sub: "1", Orgs: []hfoauth.Org{{Sub: "2", IsEnterprise: true, Plan: hfoauth.PlanPlus}}}},
	}
	for name, tt := range tests {
		var user hfoauth.User
		if tt.want.Orgs == nil {
			tt.want.Orgs = []hfoauth.Org{} // marshals as a list
		}
		if err := json.Unmarshal([]byte(tt.claims), &user); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !reflect.DeepEqual(user, tt.want) {
			t.Errorf("%s: %+v, want %+v", name, user, tt.want)
		}
	}
	for _, body := range []string{``, `[]`, `"x"`, `null`, `5`, `{`} {
		if err := json.Unmarshal([]byte(body), &hfoauth.User{}); err == nil {
			t.Errorf("%q was accepted as a user", body)
		}
	}
}

func TestOrgByNameOrID(t *testing.T) {
	user := hfoauth.User{Orgs: []hfoauth.Org{{Sub: "6a", Username: "engines", Name: "acme"},
		{Sub: "6b", Username: "acme", Name: "Acme"}, {Sub: "6c"}}}
	for name, want := range map[string]string{
		"engines": "6a",
		"6a":      "6a",
		"acme":    "6b",
		"Acme":    "",
		"":        "",
		"Engines": "",
	} {
		got := ""
		if org := user.Org(name); org != nil {
			got = org.Sub
		}
		if got != want {
			t.Errorf("Org(%q) = %q, want %q", name, got, want)
		}
	}
}

func FuzzUserClaims(f *testing.F) {
	f.Add([]byte(adaClaims))
	f.Add([]byte(`{"sub":"1","orgs":[{"isEnterprise":"plus"},5,null]}`))
	f.Add([]byte(`{"sub":5,"orgs":{}}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`{"preferred_username":"engines","missingMFA":null,"pendingSSO":"no","resourceGroups":{"role":"read"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var org hfoauth.Org
		if json.Unmarshal(body, &org) == nil {
			var again hfoauth.Org
			marshaled := mustMarshal(t, org)
			if err := json.Unmarshal(marshaled, &again); err != nil || !reflect.DeepEqual(again, org) {
				t.Errorf("%q: %+v marshals to %s, which is %+v (%v)", body, org, marshaled, again, err)
			}
		}
		var user hfoauth.User
		if json.Unmarshal(body, &user) != nil {
			return
		}
		marshaled, err := json.Marshal(user)
		if err != nil {
			t.Fatalf("user of %q does not marshal: %v", body, err)
		}
		var again hfoauth.User
		if err := json.Unmarshal(marshaled, &again); err != nil || !reflect.DeepEqual(again, user) {
			t.Errorf("%q: %+v marshals to %s, which is %+v (%v)", body, user, marshaled, again, err)
		}
	})
}

func TestOrgNamedLikeAnID(t *testing.T) {
	for username, found := range map[string]bool{
		"6a0000000000000000000001":  false,
		"6A00000000000000000000FF":  false,
		"x6a0000000000000000000001": true,
		"6a0000000000000000000001x": true,
		"6a000000000000000000001":   true,
		"6g0000000000000000000001":  true,
	} {
		user := hfoauth.User{Orgs: []hfoauth.Org{{Sub: "6affffffffffffffffffffff", Username: username}}}
		if got := user.Org(username) != nil; got != found {
			t.Errorf("the organization of the username %q is found: %t, want %t", username, got, found)
		}
	}
}

// Every field of a user and of an organization arrives, from the userinfo
// endpoint through a cookie or a store, and stays the caller's own.
func TestEveryFieldOfTheUserIsKept(t *testing.T) {
	var claims map[string]any
	if err := json.Unmarshal([]byte(adaClaims), &claims); err != nil {
		t.Fatal(err)
	}
	org := claims["orgs"].([]any)[0].(map[string]any)
	org["billingMode"] = "prepaid"
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			s.hub.Configure(func(c *hfoauthtest.Settings) {
				c.UserInfo = func(answer map[string]any) {
					sub := answer["sub"]
					maps.Copy(answer, claims)
					answer["sub"] = sub
				}
			})
			cookie := s.newSession(ada)
			user := userOf(s.newReplica(change), cookie)
			if user == nil {
				t.Fatal("not signed in at another replica")
			}
			var want hfoauth.User
			if err := json.Unmarshal(mustMarshal(t, claims), &want); err != nil {
				t.Fatal(err)
			}
			want.Sub = user.Sub
			if !reflect.DeepEqual(*user, want) {
				t.Errorf("kept\n%+v\nwant\n%+v", *user, want)
			}
			checkNoZero(t, "User", reflect.ValueOf(*user))
			checkNoZero(t, "Org", reflect.ValueOf(user.Orgs[0]))
			checkNoZero(t, "ResourceGroup", reflect.ValueOf(user.Orgs[0].ResourceGroups[0]))

			var written hfoauth.User
			if err := json.Unmarshal(mustMarshal(t, user), &written); err != nil || !reflect.DeepEqual(written, want) {
				t.Errorf("written as JSON and read again\n%+v, %v\nwant\n%+v", written, err, want)
			}
			scribble(reflect.ValueOf(user).Elem())
			if again := userOf(s.client, cookie); !reflect.DeepEqual(*again, want) {
				t.Errorf("a caller's changes show:\n%+v", *again)
			}
		})
	}
}

// The organizations of a user who is in none are an empty list for scripts, also
// when they come from a cookie or a store.
func TestUserWithoutOrgs(t *testing.T) {
	for name, change := range keptIn() {
		s := newSite(t, change)
		s.hub.AddUser(hfoauthtest.User{Username: "single"})
		cookie := s.newSession(hfoauthtest.Person{Username: "single"})
		user := userOf(s.newReplica(change), cookie)
		checkHas(t, name, string(mustMarshal(t, user)), `"orgs":[]`)
		if user.Orgs == nil {
			t.Errorf("%s: the list of organizations is nil, want empty", name)
		}
	}
}

func mustMarshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// checkNoZero checks that a test sets every field.
func checkNoZero(t *testing.T, name string, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		if field := v.Type().Field(i); field.IsExported() && v.Field(i).IsZero() {
			t.Errorf("%s.%s is zero: the test says nothing about it", name, field.Name)
		}
	}
}

// scribble changes everything reachable from a value, in place.
func scribble(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			scribble(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			scribble(v.Index(i))
		}
	case reflect.String:
		v.SetString("scribbled")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	}
}
