package main

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
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
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&document); err != nil {
		return nil, explained(err, text)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("unexpected data after the JSON object")
	}
	if len(document.Users) == 0 {
		return nil, errors.New("there are no users")
	}
	return document.Users, hfoauthtest.CheckUsers(document.Users...)
}

// explained says where in a text and what is wrong, for readers who do not know
// Go.
func explained(err error, text []byte) error {
	line := func(offset int64) int { return 1 + bytes.Count(text[:min(offset, int64(len(text)))], []byte("\n")) }
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("line %d: %s must be %s, not %s", line(wrong.Offset),
			cmp.Or(memberOf(wrong.Field), "the document"), kindOf(wrong.Type), wrong.Value)
	}
	if wrong, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("line %d: %w", line(wrong.Offset), err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New("the JSON ends too early")
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

// memberOf returns the JSON name of a path of fields.
func memberOf(path string) string {
	names := strings.Split(path, ".")
	for i, name := range names {
		names[i] = strings.ToLower(name[:min(1, len(name))]) + name[min(1, len(name)):]
	}
	return strings.Join(names, ".")
}

// kindOf returns what JSON calls the values of a type.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "an array"
	}
	return "an object"
}

func orgnames(users []hfoauthtest.User) string {
	var names []string
	for _, user := range users {
		for _, org := range user.Orgs {
			if !slices.Contains(names, org.Username) {
				names = append(names, org.Username)
			}
		}
	}
	return strings.Join(names, ", ")
}

func usernames(users []hfoauthtest.User) string {
	names := make([]string, len(users))
	for i, user := range users {
		names[i] = user.Username
	}
	return strings.Join(names, ", ")
}
