package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// exampleUsers is an example of a file for -users. users.schema.json is the JSON
// Schema of such files.
//
//go:embed users.example.json
var exampleUsers string

// readUsers reads a file of accounts.
func readUsers(name string) ([]hfoauthtest.User, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	users, err := decodeUsers(file)
	if err != nil {
		return nil, fmt.Errorf("%w (hfhub -example prints an example)", err)
	}
	return users, nil
}

// decodeUsers decodes accounts. Their members are named like the fields of
// hfoauthtest.User and Org, but begin with a lower-case letter.
func decodeUsers(r io.Reader) ([]hfoauthtest.User, error) {
	var document struct {
		Schema string `json:"$schema"`
		Users  []hfoauthtest.User
	}
	decoder := json.NewDecoder(r)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&document); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("unexpected data after the JSON object")
	}
	if len(document.Users) == 0 {
		return nil, errors.New("there are no users")
	}
	seen := map[string]bool{}
	for i, user := range document.Users {
		if err := checkUser(user); err != nil {
			return nil, fmt.Errorf("user %d: %w", i+1, err)
		}
		if seen[user.Username] {
			return nil, fmt.Errorf("user %d: the username %s is used twice", i+1, user.Username)
		}
		seen[user.Username] = true
	}
	return document.Users, nil
}

func checkUser(user hfoauthtest.User) error {
	if user.Username == "" {
		return errors.New("username is missing")
	}
	for i, org := range user.Orgs {
		if org.Username == "" {
			return fmt.Errorf("%s: organization %d: username is missing", user.Username, i+1)
		}
		switch org.IsEnterprise {
		case nil, true, false, "plus":
		default:
			return fmt.Errorf("%s: organization %s: isEnterprise must be true, false or \"plus\"", user.Username, org.Username)
		}
	}
	return nil
}

func usernames(users []hfoauthtest.User) string {
	names := make([]string, len(users))
	for i, user := range users {
		names[i] = user.Username
	}
	return strings.Join(names, ", ")
}
