package bench

import (
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/alexedwards/scs/v2"
	"github.com/gorilla/sessions"
	httphelper "github.com/zitadel/oidc/v3/pkg/http"
)

// A keeper keeps a session between requests, as an app would with a session library.
// If the app can choose the encoding, both are measured.
type keeper interface {
	name() string
	keep(w http.ResponseWriter, r *http.Request, s *session) error
	user(r *http.Request) (any, error)
}

func keepers() []keeper {
	gob.Register(session{})
	return []keeper{
		newGorillaKeeper(asGob), newGorillaKeeper(asJSON),
		newSCSKeeper(asGob), newSCSKeeper(asJSON),
		newZitadelKeeper(),
	}
}

const sessionCookie = "session"

var (
	hashKey  = []byte("0123456789abcdef0123456789abcdef")
	blockKey = []byte("fedcba9876543210fedcba9876543210")
)

var errNoSession = errors.New("no session")

// packing is how a session becomes a value for libraries that encode values
// with gob: as it is, or as JSON.
type packing struct {
	name   string
	pack   func(*session) (any, error)
	unpack func(any) (*session, error)
}

var asGob = packing{
	name: "gob",
	pack: func(s *session) (any, error) { return *s, nil },
	unpack: func(value any) (*session, error) {
		s, ok := value.(session)
		if !ok {
			return nil, errNoSession
		}
		return &s, nil
	},
}

var asJSON = packing{
	name: "JSON",
	pack: func(s *session) (any, error) { return json.Marshal(s) },
	unpack: func(value any) (*session, error) {
		text, ok := value.([]byte)
		if !ok {
			return nil, errNoSession
		}
		s := &session{}
		return s, json.Unmarshal(text, s)
	},
}

// gorillaKeeper is gorilla/sessions with its encrypted cookie.
type gorillaKeeper struct {
	store *sessions.CookieStore
	packing
}

func newGorillaKeeper(p packing) *gorillaKeeper {
	return &gorillaKeeper{sessions.NewCookieStore(hashKey, blockKey), p}
}

func (k *gorillaKeeper) name() string { return "gorilla/sessions, " + k.packing.name }

func (k *gorillaKeeper) keep(w http.ResponseWriter, r *http.Request, s *session) (err error) {
	kept := sessions.NewSession(k.store, sessionCookie)
	options := *k.store.Options
	kept.Options = &options
	if kept.Values[sessionCookie], err = k.pack(s); err != nil {
		return err
	}
	return kept.Save(r, w)
}

// user decodes the cookie on each call: Get would remember it for the rest of
// the request, which a benchmark with one request would mistake for speed.
func (k *gorillaKeeper) user(r *http.Request) (any, error) {
	kept, err := k.store.New(r, sessionCookie)
	if err != nil {
		return nil, err
	}
	s, err := k.unpack(kept.Values[sessionCookie])
	if err != nil {
		return nil, err
	}
	return &s.User, nil
}

// scsKeeper is scs with its store in memory.
type scsKeeper struct {
	manager *scs.SessionManager
	packing
}

func newSCSKeeper(p packing) *scsKeeper { return &scsKeeper{scs.New(), p} }

func (k *scsKeeper) name() string { return "scs memstore, " + k.packing.name }

func (k *scsKeeper) keep(w http.ResponseWriter, r *http.Request, s *session) error {
	ctx, err := k.manager.Load(r.Context(), "")
	if err != nil {
		return err
	}
	value, err := k.pack(s)
	if err != nil {
		return err
	}
	k.manager.Put(ctx, sessionCookie, value)
	token, expiry, err := k.manager.Commit(ctx)
	if err != nil {
		return err
	}
	k.manager.WriteSessionCookie(ctx, w, token, expiry)
	return nil
}

func (k *scsKeeper) user(r *http.Request) (any, error) {
	cookie, err := r.Cookie(k.manager.Cookie.Name)
	if err != nil {
		return nil, err
	}
	ctx, err := k.manager.Load(r.Context(), cookie.Value)
	if err != nil {
		return nil, err
	}
	s, err := k.unpack(k.manager.Get(ctx, sessionCookie))
	if err != nil {
		return nil, err
	}
	return &s.User, nil
}

// zitadelKeeper is the cookie handler of zitadel/oidc, which takes strings.
type zitadelKeeper struct {
	cookies *httphelper.CookieHandler
}

func newZitadelKeeper() *zitadelKeeper {
	return &zitadelKeeper{httphelper.NewCookieHandler(hashKey, blockKey)}
}

func (k *zitadelKeeper) name() string { return "zitadel/oidc CookieHandler, JSON" }

func (k *zitadelKeeper) keep(w http.ResponseWriter, r *http.Request, s *session) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return k.cookies.SetCookie(w, sessionCookie, string(text))
}

func (k *zitadelKeeper) user(r *http.Request) (any, error) {
	text, err := k.cookies.CheckCookie(r, sessionCookie)
	if err != nil {
		return nil, err
	}
	s := &session{}
	return &s.User, json.Unmarshal([]byte(text), s)
}

// refusedSize returns the size of the cookie that securecookie, which all
// cookie keepers are built on, refused as too long for browsers.
func refusedSize(err error) (int, error) {
	_, size, found := strings.Cut(err.Error(), "the value is too long: ")
	if !found {
		return 0, fmt.Errorf("session was not kept: %w", err)
	}
	return strconv.Atoi(size)
}
