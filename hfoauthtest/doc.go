// Package hfoauthtest is a stand-in for huggingface.co as an OpenID provider:
// for tests of apps that sign users in with Hugging Face, and for trying them
// on a laptop. It speaks the real protocol over real HTTP on loopback, and
// refuses what the real one refuses. It knows nothing of the app: any OpenID
// client can be tested with it.
//
// It is no provider for real users: anyone who reaches it may sign in as
// anyone.
//
// # Testing your app
//
// Start a [Server], register your app, point the app at it, and sign in as
// one of its users:
//
//	func TestPrivatePage(t *testing.T) {
//		hub := hfoauthtest.NewServer(t)
//		registered := hub.RegisterApp(hfoauthtest.App{})
//
//		mux := http.NewServeMux()
//		app := httptest.NewServer(mux)
//		defer app.Close()
//		client, err := hfoauth.New(hfoauth.Config{
//			ClientID:     registered.ClientID,
//			ClientSecret: registered.ClientSecret,
//			ProviderURL:  hub.URL,
//			RedirectURL:  app.URL + "/login/callback",
//		})
//		if err != nil {
//			t.Fatal(err)
//		}
//		client.Mount(mux)
//		mux.Handle("GET /private", client.RequireUser(private))
//
//		browser := hub.SignIn(t, app.URL+"/login", "ada")
//		resp, err := browser.Get(app.URL + "/private")
//		...
//	}
//
// Who is there: users and organizations are plain values; [DefaultUsers] are
// there if you name none, and [Server.AddUser], [Server.RemoveUser] and
// [Server.SetUsers] change them while the Server runs.
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
// What the app did: [Server.Calls] and [Server.Requests] tell what arrived;
// [Server.Secrets] lists every code, token and secret, to search your logs and
// pages for.
//
// # Trying your app on a laptop
//
// [Listen] starts a Server in a program. Its consent page lets whoever sits in
// front of the browser pick an account, tick organizations, and approve or
// deny. To serve it over TLS, or behind middleware, use [New], which is an
// [http.Handler].
package hfoauthtest
