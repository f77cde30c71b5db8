package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

type schema struct {
	Required             []string
	Properties           map[string]any
	AdditionalProperties *bool
	Defs                 map[string]schema `json:"$defs"`
}

func readSchema(t *testing.T) schema {
	t.Helper()
	text, err := os.ReadFile("users.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// The schema has exactly the fields of the types.
func TestSchemaNamesTheFields(t *testing.T) {
	s := readSchema(t)
	for name, kind := range map[string]any{
		"user":          hfoauthtest.User{},
		"org":           hfoauthtest.Org{},
		"resourceGroup": hfoauthtest.ResourceGroup{},
	} {
		var fields []string
		for _, field := range reflect.VisibleFields(reflect.TypeOf(kind)) {
			fields = append(fields, strings.ToLower(field.Name[:1])+field.Name[1:])
		}
		slices.Sort(fields)
		if got := slices.Sorted(maps.Keys(s.Defs[name].Properties)); !slices.Equal(got, fields) {
			t.Errorf("%s: the schema has %v, the type %v", name, got, fields)
		}
		if closed := s.Defs[name].AdditionalProperties; closed == nil || *closed {
			t.Errorf("%s: the schema allows other members", name)
		}
	}
}

// The example has every member of the schema, except for those that are rarely
// needed, and no others.
func TestExampleFollowsTheSchema(t *testing.T) {
	var example struct {
		Users []map[string]any
	}
	if err := json.Unmarshal([]byte(exampleUsers), &example); err != nil {
		t.Fatal(err)
	}
	s := readSchema(t)
	seen := map[string]map[string]bool{"user": {}, "org": {}}
	collect := func(kind string, members map[string]any) {
		for name := range members {
			seen[kind][name] = true
			if _, ok := s.Defs[kind].Properties[name]; !ok {
				t.Errorf("%s has %s, which is not in the schema", kind, name)
			}
		}
		for _, name := range s.Defs[kind].Required {
			if _, ok := members[name]; !ok {
				t.Errorf("%s has no %s", kind, name)
			}
		}
	}
	for _, user := range example.Users {
		collect("user", user)
		orgs, _ := user["orgs"].([]any)
		for _, org := range orgs {
			collect("org", org.(map[string]any))
		}
	}
	seldom := []string{"sub", "picture", "claims", "missingMFA"}
	for kind, members := range seen {
		for name := range s.Defs[kind].Properties {
			if !members[name] && !slices.Contains(seldom, name) {
				t.Errorf("the example lacks the member %s of %s", name, kind)
			}
		}
	}
}

func TestDecodeUsers(t *testing.T) {
	users, err := decodeUsers(strings.NewReader(exampleUsers))
	if err != nil {
		t.Fatal(err)
	}
	emmy := users[0]
	equal(t, "Username", emmy.Username, "emmy")
	equal(t, "EmailVerified", emmy.EmailVerified, true)
	equal(t, "IsPro", emmy.IsPro, true)
	equal(t, "BillingMode", emmy.BillingMode, "postpaid")
	if len(emmy.Orgs) != 2 {
		t.Fatalf("organizations %+v, want two", emmy.Orgs)
	}
	org := emmy.Orgs[0]
	equal(t, "Role", org.Role, "admin")
	equal(t, "IsEnterprise", org.IsEnterprise, true)
	equal(t, "the role in the first group", org.ResourceGroups[0].Role, "write")
	if org := emmy.Orgs[1]; !org.PendingSSO || org.SecurityRestrictions[0] != "sso" {
		t.Errorf("%+v", org)
	}
}

func TestDecodeUsersRefuses(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{``, "the JSON ends too early"},
		{`{"users":[`, "the JSON ends too early"},
		{`[]`, "line 1: the document must be an object, not array"},
		{"{\n\"users\": [\n{]", "line 3: invalid character"},
		{"{\"users\": [\n{\"username\": \"a\", \"isPro\": \"yes\"}]}",
			"line 2: users.isPro must be true or false, not string"},
		{`{"users":[{"username":"a","orgs":[{"username":"x","role":1}]}]}`,
			"users.orgs.role must be a string, not number"},
		{`{"users":[{"username":"a","orgs":"engines"}]}`,
			"users.orgs must be an array, not string"},
		{`{"users":[{"username":"a","orgs":[{"username":"x","role":"writer"}]}]}`,
			`user 1: a: organization x: unknown role "writer": use one of admin, write`},
		{`{}`, "there are no users"},
		{`{"users":[]}`, "there are no users"},
		{`{"users":[{"username":"a"}]} x`, "unexpected data"},
		{`{"users":[{"username":"a"}]}{}`, "unexpected data"},
		{`{"users":[{"username":"a"}],"groups":[]}`, `unknown field "groups"`},
		{`{"users":[{"username":"a","mail":"x"}]}`, `unknown field "mail"`},
		{`{"users":[{"name":"a"}]}`, "user 1: username is missing"},
		{`{"users":[{"username":"a"},{"username":"a"}]}`,
			"user 2: the username a is used twice"},
		{`{"users":[{"username":"a","orgs":[{"name":"x"}]}]}`,
			"organization 1: username is missing"},
		{`{"users":[{"username":"a","orgs":[{"username":"x","isEnterprise":"minus"}]}]}`,
			`must be true, false or "plus"`},
		{`{"users":[{"username":"a","orgs":[{"username":"x","isEnterprise":["plus"]}]}]}`,
			`must be true, false or "plus"`},
		{`{"users":[{"username":"a","orgs":[{"username":"x","resourceGroups":[{"id":"y"}]}]}]}`,
			`unknown field "id"`},
	} {
		if _, err := decodeUsers(strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.text, err, tt.want)
		} else if strings.Contains(err.Error(), "Go ") || strings.Contains(err.Error(), "json:") {
			t.Errorf("%s: %v speaks of Go", tt.text, err)
		}
	}
}

func TestUsersFlag(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users.json")
	if err := os.WriteFile(file, []byte(exampleUsers), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := parse([]string{"-users", file, "-as", "emmy"}, noEnvironment)
	if err != nil || usernames(o.users) != "emmy, david" {
		t.Errorf("%v %v", o, err)
	}
	_, err = parse([]string{"-users", file, "-as", "ada"}, noEnvironment)
	if err == nil || !strings.Contains(err.Error(), "use one of emmy, david") {
		t.Errorf("as a user that is not in the file: %v", err)
	}
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = parse([]string{"-users", file}, noEnvironment)
	if err == nil || !strings.Contains(err.Error(), "-example prints an example") {
		t.Errorf("an empty file: %v", err)
	}
}
