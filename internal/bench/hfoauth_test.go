package bench

import (
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
)

func newHFOAuth(tb testing.TB, p *provider) contender {
	return hfoauthContender(newHFOAuthClient(tb, hfoauthConfig(p)))
}

func hfoauthConfig(p *provider) hfoauth.Config {
	return hfoauth.Config{
		ClientID:     clientID,
		ClientSecret: clientSecret,
		Scopes:       hfoauth.Scopes{hfoauth.ScopeEmail},
		ProviderURL:  p.URL,
		RedirectURL:  appURL + callbackPath,
		Transport:    p.client.Transport,
		Logger:       slog.New(slog.DiscardHandler),
	}
}

func newHFOAuthClient(tb testing.TB, config hfoauth.Config) *hfoauth.Client {
	client, err := hfoauth.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	return client
}

func hfoauthContender(client *hfoauth.Client) contender {
	return contender{
		name:    "hfoauth",
		handler: routes(client.LoginHandler(), client.CallbackHandler()),
		user:    func(r *http.Request) (any, error) { return client.UserFromRequest(r) },
	}
}

// freshClients returns clients that have not seen any session yet, like a process
// that a browser reaches for the first time.
type freshClients struct {
	config hfoauth.Config
	made   []*hfoauth.Client
}

// take returns the next client. New ones are made outside of what b measures.
func (f *freshClients) take(b *testing.B) *hfoauth.Client {
	if len(f.made) == 0 {
		b.StopTimer()
		for range 1000 {
			f.made = append(f.made, newHFOAuthClient(b, f.config))
		}
		b.StartTimer()
	}
	last := len(f.made) - 1
	client := f.made[last]
	f.made = f.made[:last]
	return client
}

// sharedStore is a Store that is as fast as possible, for sessions that another
// client has to find.
type sharedStore struct{ entries sync.Map }

func (s *sharedStore) Find(key string) ([]byte, bool, error) {
	value, ok := s.entries.Load(key)
	if !ok {
		return nil, false, nil
	}
	return value.([]byte), true, nil
}

func (s *sharedStore) Commit(key string, b []byte, _ time.Time) error {
	s.entries.Store(key, b)
	return nil
}

func (s *sharedStore) Delete(key string) error {
	s.entries.Delete(key)
	return nil
}
