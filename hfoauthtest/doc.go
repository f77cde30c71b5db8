// Package hfoauthtest is a stand-in for huggingface.co as an OpenID provider. Use
// it to test apps that sign users in with Hugging Face, and to try them on a
// laptop. It speaks the real protocol over real HTTP on loopback, and accepts
// and refuses what huggingface.co does. It works with any OpenID client; for
// apps in other languages, the program cmd/hfhub runs it.
//
// It is not a provider for real users: anyone who can reach it may sign in as
// anyone.
//
// # Testing your app
//
// Start a [Server], configure your app from the environment as in a Space, and
// sign in as one of the users:
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
// Parallel tests cannot set environment variables. They call
// [Server.RegisterApp] and fill in the fields of the Config instead.
//
// Users and organizations are plain values: [DefaultUsers] unless you pass some.
// [Server.AddUser], [Server.RemoveUser] and [Server.SetUsers] change them while
// the Server runs.
//
// The person: [Server.SignIn] approves. [Server.Browser] returns a browser whose
// [Person] grants organizations or denies access.
//
// The provider: [Server.Configure] changes its clock, lifetimes and responses
// ([Settings]). [Server.RotateKeys] and [Server.Revoke] do what the real
// provider may do at any time.
//
// Faults: [Server.SetFault] makes an endpoint slow or unavailable, or its
// responses broken or huge.
//
// The app's requests: [Server.Calls] counts them and [Server.Requests] returns
// them. [Server.Secrets] returns every code, token and secret, so that you can
// check that your logs and pages do not contain them.
//
// # Trying your app on a laptop
//
// [Listen] starts a Server in a program. On its consent page you choose an
// account, tick organizations, and approve or deny. To serve it over TLS or
// behind middleware, use [New], whose Server is an [http.Handler].
//
// As on the Hub, one person is signed in per browser, and consent is requested
// once for each person, app and set of scopes. The start page (the Server's
// URL) and /logout switch the person; Settings.AlwaysAsk requests consent every
// time.
//
// # Signing in without a browser
//
// A test in any language can sign a user in by sending the form of the consent
// page, as application/x-www-form-urlencoded, to the URL that the app redirects
// to:
//
//	field           value
//	user            the username; if absent, the signed-in user or else the first one
//	decision        "deny" denies; anything else approves
//	org-USERNAME    the ID of an organization that USERNAME grants; may be repeated
//
// An empty POST thus approves, as on the Hub. The form for devices, at /device,
// has the fields user_code, user and decision; "approve" approves and anything
// else denies. The forms at /login (user) and /logout switch the person. Forms
// sent by pages of other sites are refused.
//
// # Behaviour compared with the Hub
//
// The source is one of: docs, the Hub's documentation; ci, an assertion in
// Hugging Face's own tests against its staging server; client, the source of
// Hugging Face's own clients; seen, reports by others from the live service. If
// the Hub's behaviour is unknown, the stand-in is strict.
//
//	behaviour                        real Hub                     stand-in     source
//	code with PKCE, no client_id     accepted                     same         client, ci
//	code with PKCE, confidential app accepted without the secret  same         ci
//	wrong secret or verifier         refused                      same         RFC 6749, 7636
//	device grant of such an app      HTTP Basic required          same         docs
//	refresh by such an app           secret required              same         unknown
//	CORS, preflight                  metadata, token, userinfo,   and jwks,    client
//	                                 whoami-v2                    device
//	redirect after approval          303                          same         ci
//	redirect after denial            302, access_denied           same         seen
//	redirect URI without a path      "/" is added                 same         ci
//	empty POST to authorize          approves                     same         ci
//	consent                          once per person, app, scopes same         seen
//	prompt=none, prompt=consent      as in OpenID Connect         same         unknown
//	access token                     8 h, hf_oauth_ and a JWT     same         docs, client
//	ID token                         1 h, RS256                   same         seen
//	isPro, billing, orgs in it       absent                       same         ci, unknown
//	refresh tokens                   rotated                      same         seen
//	reuse of a refresh token         invalid_grant                same; all    seen, unknown
//	                                                              tokens end with ReuseDetection
//	invalid_grant, "This operation   timeout of 10 s              Aborted()    seen
//	was aborted"
//	userinfo email, canPay           need email, read-billing     same         client
//	an organization's role           needs a granted org or the   same         docs, client
//	                                 scope read-memberships
//	whoami-v2 with a user token      everything                   same         ci
//	whoami-v2 with an OAuth token    unknown                      by scopes    unknown
//	avatarUrl in whoami-v2           relative                     same         ci
//	device code                      5 min, no interval, no       same         seen
//	                                 verification_uri_complete
//	verification_uri                 at hf.co                     localhost    seen
//	device, exchange without scope   all scopes of the app        same         seen, docs
//	token exchange without an org    invalid_client               same         docs
//	scope not allowed for the app    invalid_scope                same         seen
//	RFC 8414 metadata, RFC 7591      yes, anyone may register     same         client, seen
//	CIMD                             https                        plus http on docs
//	                                                              loopback
//	redirect URIs of a Space         any on its host              same         docs
//	loopback redirect URIs           any port                     same         docs
//	token_endpoint_auth_methods      basic and post, not none     same         seen
//	revocation, end of session       no such endpoints            same         seen
//
// # Intentional differences
//
//   - There are no passwords: on the consent page and the start page, anyone can
//     choose any user.
//   - The consent page is also the sign-in page: a browser without a signed-in
//     person sees it even if the person consented before. The browsers of
//     [Server.SignIn] and [Server.Browser] thus always act for their own [Person].
//   - An app without RedirectURIs accepts every http URL on loopback.
//   - A Client ID Metadata Document may have an http URL on loopback.
//   - An access token looks like one of the Hub's but has no valid signature. Each
//     process generates new keys.
//   - Nothing is stored: apps, codes, tokens and consents end with the process.
//   - The rest of the Hub is missing: repositories, inference, settings pages.
package hfoauthtest
