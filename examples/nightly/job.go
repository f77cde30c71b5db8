package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/hfoauth/hfoauth"
)

// report is what the last job found for a user.
type report struct {
	Models int
	Time   time.Time // zero before the first job
	Err    error
}

var errSignedOut = errors.New("signed out everywhere, or without permission to read repositories")

// runAll does the job for all who allowed it, one after the other.
func (a *app) runAll(ctx context.Context) {
	a.mu.Lock()
	subs := slices.Collect(maps.Keys(a.allowed))
	a.mu.Unlock()
	for _, sub := range subs {
		models, err := a.countModels(ctx, sub)
		if err != nil {
			log.Printf("job for %s: %v", sub, err)
		}
		a.mu.Lock()
		if _, ok := a.allowed[sub]; ok { // not withdrawn meanwhile
			a.allowed[sub] = report{models, time.Now(), err}
		}
		a.mu.Unlock()
	}
}

// countModels acts for a user with one of their sessions. The session renews its
// token if necessary and saves it before it is used: the user's browser has the new
// one on its next request. Do not store a refresh token separately for jobs: it
// works once, and the user would be signed out (RFC 9700 section 4.14.2).
func (a *app) countModels(ctx context.Context, sub string) (int, error) {
	sessions, err := a.client.Sessions(ctx, sub)
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(sessions, func(s *hfoauth.Session) bool { return s.Scopes.Has(hfoauth.ScopeReadRepos) })
	if i < 0 {
		return 0, errSignedOut
	}
	address := a.hub.JoinPath("api/models")
	address.RawQuery = url.Values{"author": {sessions[i].User.Username}, "limit": {"1000"}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return 0, err
	}
	resp, err := sessions[i].HTTPClient().Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the Hub responded with %s", resp.Status)
	}
	var models []json.RawMessage
	err = json.NewDecoder(io.LimitReader(resp.Body, 16<<20)).Decode(&models)
	return len(models), err
}
