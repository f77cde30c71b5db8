// Package hfoauthtest is a stand-in for huggingface.co as an OpenID provider:
// for tests of apps that sign users in with Hugging Face, and for trying them
// on a laptop. It speaks the real protocol over real HTTP on loopback, accepts
// what the real one accepts and refuses what it refuses. It knows nothing of
// the app: any OpenID client can be tested with it. The program cmd/hfhub is
// the stand-in for apps in other languages.
//
// It is no provider for real users: anyone who reaches it may sign in as
// anyone.
//
// # Testing your app
//
// Start a [Server], let your app take its settings from the environment, as in
// a Space, and sign in as one of the users:
//
//	func TestPrivatePage(t *testing.T) {
//		hub := hfoauthtest.NewServer(t)
//		server := httptest.NewUnstartedServer(nil)
//		hub.Setenv(t, "http://"+server.Listener.Addr().String())
//		app, err := newApp() // calls hfoauth.New(hfoauth.Config{})
//		if err != nil {
//			t.Fatal(err)
//		}
//		server.Config.Handler = app
//		server.Start()
//		defer server.Close()
//
//		browser := hub.SignIn(t, server.URL+"/login", "ada")
//		resp, err := browser.Get(server.URL + "/private")
//		...
//	}
//
// Parallel tests cannot set the environment: they call [Server.RegisterApp] and
// fill in the fields of the Config.
//
// Users and organizations are plain values: [DefaultUsers] if you name none.
// [Server.AddUser], [Server.RemoveUser] and [Server.SetUsers] change them while
// the Server runs.
//
// What the person does: [Server.SignIn] approves. [Server.Browser] gives a
// browser whose [Person] grants organizations or says no.
//
// What the provider does: [Server.Configure] changes its clock, lifetimes and
// what it claims ([Settings]); [Server.RotateKeys] and [Server.Revoke] do what
// the real one may do at any time.
//
// What goes wrong: [Server.SetFault] makes an endpoint slow, broken or large.
//
// What the app did: [Server.Calls] and [Server.Requests] return what arrived;
// [Server.Secrets] lists every code, token and secret, to search your logs and
// pages for.
//
// # Trying your app on a laptop
//
// [Listen] starts a Server in a program. Its consent page lets the person in
// front of the browser choose an account, tick organizations, and approve or
// deny. To serve it over TLS, or behind middleware, use [New], which is an
// [http.Handler].
//
// As on the Hub, a browser has a signed-in person, and consent is asked for
// once for each person, app and set of scopes. The start page (the Server's
// URL) and /logout switch the person; Settings.AlwaysAsk asks every time.
//
// # Signing in by HTTP
//
// A test in any language signs a user in without a browser by sending the form
// of the consent page, as application/x-www-form-urlencoded, to the address
// that the app redirects to:
//
//	field           value
//	user            the username; if absent, the signed-in user or else the first one
//	decision        "deny" denies; anything else approves
//	org-USERNAME    the ID of an organization that USERNAME grants; may be repeated
//
// So an empty POST approves, as on the Hub. The form of the page for devices, at
// /device, has the fields user_code, user and decision, where "approve"
// approves and anything else denies. The forms at /login (user) and /logout
// switch the person. A form that a page of another site sends is refused.
//
// # What it does as the Hub does
//
// The source is one of: docs, the Hub's documentation; ci, an assertion in
// Hugging Face's own tests against its staging server; client, read from
// Hugging Face's own clients; seen, reported from the live service by others.
// "unknown" is what is not known outside the Hub; the stand-in then takes the
// stricter side.
//
//	behaviour                        real Hub                     stand-in     source
//	code by PKCE, no client_id       accepted                     same         client, ci
//	code by PKCE, app has a secret   accepted without the secret  same         ci
//	a wrong secret, or verifier      refused                      same         RFC 6749, 7636
//	device grant of such an app      HTTP Basic demanded          same         docs
//	refresh of such an app           secret demanded              same         unknown
//	CORS, preflight                  metadata, token, userinfo,   and jwks,    client
//	                                 whoami-v2                    device
//	redirect after approval          303                          same         ci
//	redirect after denial            302, access_denied           same         seen
//	redirect URI without a path      comes back with "/"          same         ci
//	empty POST to authorize          approves                     same         ci
//	consent                          once a person, app, scopes   same         seen
//	prompt=none, prompt=consent      as OpenID Connect            same         unknown
//	access token                     8 h, hf_oauth_ and a JWT     same         docs, client
//	ID token                         1 h, RS256                   same         seen
//	isPro, billing, orgs in it       absent                       same         ci, unknown
//	refresh tokens                   rotate                       same         seen
//	reuse of a refresh token         invalid_grant                same; ends   seen, unknown
//	                                                              all with ReuseDetection
//	invalid_grant, "This operation   a time-out of 10 s           Aborted()    seen
//	was aborted"
//	userinfo email, canPay           need email, read-billing     same         client
//	an organization's role           org granted, or the scope    same         docs, client
//	                                 read-memberships
//	whoami-v2 of a user token        everything                   same         ci
//	whoami-v2 of an OAuth token      unknown                      by scopes    unknown
//	avatarUrl in whoami-v2           relative                     same         ci
//	device code                      5 min, no interval, no       same         seen
//	                                 verification_uri_complete
//	verification_uri                 at hf.co                     localhost    seen
//	no scope at device, exchange     all of the app's             same         seen, docs
//	token exchange without an org    invalid_client               same         docs
//	scope the app may not ask for    invalid_scope                same         seen
//	RFC 8414 metadata, RFC 7591      yes, anyone may register     same         client, seen
//	CIMD                             https                        and loopback docs
//	redirect URIs of a Space         any on its host              same         docs
//	loopback redirect URIs           any port                     same         docs
//	token_endpoint_auth_methods      basic and post, no none      same         seen
//	revocation, end of session       no such endpoints            same         seen
//
// # What differs on purpose
//
//   - Nobody has a password: the consent page and the start page let anyone be
//     any user.
//   - The consent page is also the sign-in page: a browser without a signed-in
//     person sees it even if the person consented before. So the browsers of
//     [Server.SignIn] and [Server.Browser] always act for their own [Person].
//   - An app without RedirectURIs accepts every http URL on loopback.
//   - A Client ID Metadata Document may be at an http URL on loopback.
//   - An access token looks like one of the Hub but has no valid signature; keys are
//     made anew each time a process starts.
//   - Nothing is kept: apps, codes, tokens and consents end with the process.
//   - There is no Hub besides: no repositories, no inference, no settings pages.
package hfoauthtest
