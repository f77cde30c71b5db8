package main

import (
	"cmp"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
	"github.com/hfoauth/hfoauth/internal/guard"
)

// usage fits a terminal of 24 lines and 80 columns.
//
//go:embed usage.txt
var usage string

// options are the settings from the flags and the environment.
type options struct {
	addr     string
	anyone   bool // may be reachable from other machines
	app      hfoauthtest.App
	users    []hfoauthtest.User
	settings hfoauthtest.Settings
	faults   []endpointFault
	control  string // address; empty for none

	scopes    string // OAUTH_SCOPES
	redirect  string // OAUTH_REDIRECT_URL
	guessed   bool   // nothing says where the app is, so redirect is the default
	spaceHost string // SPACE_HOST

	example bool
	command []string
}

// parse parses the flags; some of them default to environment variables.
func parse(args []string, getenv func(string) string) (*options, error) {
	o := &options{}
	flags := o.flags(getenv)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	o.command = flags.Args()
	return o, errors.Join(o.complete(getenv), o.check())
}

// flags returns the flags. usage.txt lists them.
func (o *options) flags(getenv func(string) string) *flag.FlagSet {
	flags := flag.NewFlagSet("hfhub", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	flags.StringVar(&o.addr, "addr", "", "")
	flags.BoolVar(&o.anyone, "anyone-may-sign-in-as-anyone", false, "")
	flags.StringVar(&o.app.ClientID, "client-id", getenv("OAUTH_CLIENT_ID"), "")
	flags.StringVar(&o.app.ClientSecret, "client-secret", "", "")
	flags.BoolVar(&o.app.Public, "public", false, "")
	flags.StringVar(&o.app.Name, "name", "Your app", "")
	flags.StringVar(&o.app.Org, "org", "", "")
	flags.StringVar(&o.scopes, "scopes", cmp.Or(getenv("OAUTH_SCOPES"), "openid profile"), "")
	flags.StringVar(&o.redirect, "redirect", "", "")
	flags.StringVar(&o.spaceHost, "space", "", "")
	flags.Func("users", "", func(name string) (err error) {
		o.users, err = readUsers(name)
		return err
	})
	flags.BoolVar(&o.settings.AlwaysAsk, "ask", false, "")
	flags.StringVar(&o.settings.ApproveAs, "as", "", "")
	flags.Func("token", "", lifetime(&o.settings.AccessTokenLifetime))
	flags.Func("id-token", "", lifetime(&o.settings.IDTokenLifetime))
	flags.BoolVar(&o.settings.NoRefreshTokens, "no-refresh", false, "")
	flags.BoolVar(&o.settings.ReuseDetection, "reuse-detection", false, "")
	flags.Func("fault", "", func(text string) error {
		f, err := parseEndpointFault(text)
		o.faults = append(o.faults, f)
		return err
	})
	flags.StringVar(&o.control, "control", "", "")
	flags.BoolVar(&o.example, "example", false, "")
	return flags
}

// lifetime returns the parser of a flag for a lifetime.
func lifetime(value *time.Duration) func(string) error {
	return func(text string) error {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return errors.New("give a positive duration, such as 10s or 8h")
		}
		*value = d
		return nil
	}
}

// complete fills in defaults, some of them from the environment.
func (o *options) complete(getenv func(string) string) error {
	if !o.app.Public {
		o.app.ClientSecret = cmp.Or(o.app.ClientSecret, getenv("OAUTH_CLIENT_SECRET"))
	}
	o.app.SpaceHost = o.spaceHost
	if o.redirect != "" {
		o.app.RedirectURIs = []string{o.redirect}
	} else if o.spaceHost == "" {
		o.guessed = getenv("PORT") == "" && getenv("OAUTH_REDIRECT_URL") == ""
		port := cmp.Or(getenv("PORT"), "7860")
		o.redirect = cmp.Or(getenv("OAUTH_REDIRECT_URL"), "http://localhost:"+port+"/login/callback")
		if _, err := strconv.ParseUint(port, 10, 16); err != nil && getenv("OAUTH_REDIRECT_URL") == "" {
			return fmt.Errorf("PORT is %s, but must be a number, such as 7860: unset it, or set OAUTH_REDIRECT_URL", port)
		}
	}
	if o.addr != "" {
		return nil
	}
	provider := getenv("OPENID_PROVIDER_URL")
	if provider == "" {
		o.addr = "127.0.0.1:0"
		return nil
	}
	u, err := url.Parse(provider)
	if err != nil || u.Scheme != "http" || u.Port() == "" || strings.Trim(u.Path, "/") != "" ||
		!guard.Loopback(u.Hostname()) {
		return fmt.Errorf("OPENID_PROVIDER_URL is %s, but hfhub serves only on loopback: "+
			"unset it, or choose an address with -addr 127.0.0.1:9999", provider)
	}
	o.addr = u.Host
	return nil
}

// check refuses settings that cannot work or are unsafe.
func (o *options) check() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	host, port := guard.SplitPort(o.addr)
	if o.addr != "" && port == "" {
		fail("-addr %s: give a host and a port, 127.0.0.1:9999 for example", o.addr)
	}
	beyond := o.addr != "" && !guard.Loopback(host)
	switch {
	case beyond && o.settings.ApproveAs != "":
		fail("-as with -addr %s would sign in everyone on the network as %s: use an address on loopback",
			o.addr, o.settings.ApproveAs)
	case beyond && o.control != "":
		fail("-control with -addr %s is refused: use an address on loopback", o.addr)
	case beyond && !o.anyone:
		fail("-addr %s is not on loopback, and anyone who can reach it may sign in as anyone: "+
			"use 127.0.0.1, or confirm with -anyone-may-sign-in-as-anyone", o.addr)
	case beyond && (host == "" || net.ParseIP(host).IsUnspecified() || port == "0"):
		fail("-addr %s: give the address that others use, 192.168.1.2:9999 for example", o.addr)
	case !beyond && o.anyone:
		fail("-anyone-may-sign-in-as-anyone: -addr %s is on loopback, so omit the flag", o.addr)
	}
	if host, port := guard.SplitPort(o.control); o.control != "" && (port == "" || !guard.Loopback(host)) {
		fail("-control %s: give an address on loopback, 127.0.0.1:0 for example", o.control)
	}
	if o.app.Public && o.app.ClientSecret != "" {
		fail("-public and -client-secret exclude each other")
	}
	if strings.Contains(o.spaceHost, "/") {
		fail("-space %s: give only the host, ada-app.hf.space for example", o.spaceHost)
	}
	if o.spaceHost != "" && o.redirect != "" {
		fail("-space and -redirect exclude each other: a Space's app takes its address from SPACE_HOST")
	}
	if u, err := url.Parse(o.redirect); o.redirect != "" && (err != nil || u.Scheme == "") {
		fail("-redirect %s: give a complete URL, http://localhost:7860/login/callback for example", o.redirect)
	}
	if o.settings.ApproveAs != "" && o.settings.AlwaysAsk {
		fail("-as and -ask exclude each other")
	}
	users := o.accounts()
	as := o.settings.ApproveAs
	if as != "" && !slices.ContainsFunc(users, func(u hfoauthtest.User) bool { return u.Username == as }) {
		fail("-as %s: unknown user: use one of %s", as, usernames(users))
	}
	if org := o.app.Org; org != "" && !slices.ContainsFunc(users, func(u hfoauthtest.User) bool {
		return slices.ContainsFunc(u.Orgs, func(o hfoauthtest.Org) bool { return o.Username == org })
	}) {
		fail("-org %s: unknown organization: use one of %s", org, orgnames(users))
	}
	return errors.Join(errs...)
}

// appURL returns the address of the app's start page by its redirect URL, or ""
// if that is no web address.
func (o *options) appURL() string {
	if o.spaceHost != "" {
		return "https://" + o.spaceHost + "/"
	}
	u, err := url.Parse(o.redirect)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	base, ok := strings.CutSuffix(u.Path, "/login/callback")
	if !ok {
		base = ""
	}
	return u.Scheme + "://" + u.Host + base + "/"
}

// accounts returns the users of the stand-in.
func (o *options) accounts() []hfoauthtest.User {
	if o.users == nil {
		return hfoauthtest.DefaultUsers()
	}
	return o.users
}

// configure applies the settings of the flags.
func (o *options) configure(s *hfoauthtest.Settings) { *s = o.settings }
