package hfoauth_test

import (
	"context"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/hfoauth/hfoauth"
)

// entries is a Store in memory. The values are sealed. One for production
// removes what has expired, and is shared by all replicas.
type entries struct{ sync.Map }

type entry struct {
	value  []byte
	expiry time.Time
}

func (e *entries) Find(key string) ([]byte, bool, error) {
	found, ok := e.Load(key)
	if !ok || time.Now().After(found.(entry).expiry) {
		return nil, false, nil
	}
	return found.(entry).value, true, nil
}

func (e *entries) Commit(key string, value []byte, expiry time.Time) error {
	e.Store(key, entry{value, expiry})
	return nil
}

func (e *entries) Delete(key string) error {
	e.Map.Delete(key)
	return nil
}

// Sessions in a store of your own. Those of scs fit as they are, such as
// goredisstore.New(client) and pgxstore.New(pool).
func ExampleConfig_store() {
	client, err := hfoauth.New(hfoauth.Config{
		ClientID:     "your-client-id",
		ClientSecret: "oauth_app_secret_of_your_own",
		RedirectURL:  "https://app.example/login/callback",
		Store:        &entries{},
	})
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := client.Sessions(context.Background(), "5dd96eb166059660ed1ee413")
	fmt.Println(len(sessions), err)
	// Output: 0 <nil>
}
