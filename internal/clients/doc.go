// Package clients tests the stand-in hfoauthtest with OAuth clients that
// others wrote for huggingface.co, or for any provider: if they can sign in
// there but not at the stand-in, the stand-in is wrong. The library hfoauth is not
// involved. The tests need Node, what npm installs from package.json, and Debian's
// packages of Python (make setup).
//
// Each client is the core of a small web app in drivers, a separate program that is
// configured as a Space is: OPENID_PROVIDER_URL, OAUTH_CLIENT_ID,
// OAUTH_CLIENT_SECRET and OAUTH_SCOPES. It prints its address and responds to
//
//	GET  /login    with a redirect to the provider
//	GET  /callback where the provider leads back to, with a redirect to /me
//	GET  /me       with what the client knows of the user, as JSON
//	POST /refresh  with the same, after it has renewed its tokens
//	POST /device   with the codes of a device login, if the client has that
//	POST /token    with the same as /me, once the user has decided on it
//
// and on any failure with status 400 and the client's own error.
package clients
