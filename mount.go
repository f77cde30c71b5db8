package hfoauth

import (
	"net/http"
	"strings"
)

// Mount registers the handlers of the package: GET Config.LoginPath, GET the
// path of Config.RedirectURL, GET and POST Config.LogoutPath, everything below
// LoginPath/frame/, the document below /.well-known/ of an unregistered app, and
// /.well-known/oauth-protected-resource with everything below it, which is 404
// for a resource that no [Client.AcceptBearer] named.
//
// If a proxy strips the path below which the app is served, the same handlers
// are also registered without it. Like [http.ServeMux.Handle], Mount panics if
// the app has already registered one of the patterns.
func (c *Client) Mount(mux *http.ServeMux) {
	routes := c.routes()
	for _, route := range routes {
		for _, method := range route.methods {
			route.mount(mux, method)
		}
	}
	for _, route := range c.paths.stripped(routes) {
		for _, method := range route.methods {
			route.mountUnlessTaken(mux, method)
		}
	}
}

// Handler serves the paths that [Client.Mount] registers, for every method, and
// passes all other requests to next. It is for routers other than http.ServeMux,
// and as middleware around a whole app. The app's own handlers for these paths
// are never reached.
//
// With two Clients in one program, the outer one must be the one whose paths are
// at the root.
func (c *Client) Handler(next http.Handler) http.Handler {
	routes := c.routes()
	routes = append(routes, c.paths.stripped(routes)...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := range routes {
			if routes[i].matches(r) {
				routes[i].handler.ServeHTTP(w, r)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// route is one of our paths or, if it ends in a slash, everything below it.
type route struct {
	path    string
	exact   bool // only this path
	methods []string
	handler http.Handler
}

func (r *route) matches(req *http.Request) bool {
	path := req.URL.Path
	if path != r.path && (r.exact || !strings.HasPrefix(path, r.path)) {
		return false
	}
	if metadata, ok := r.handler.(*resourceMetadata); ok { // another Client inside may have it
		_, resource := metadata.at(req)
		return resource != nil
	}
	return true
}

// routes lists what this client serves, at the paths that browsers see.
func (c *Client) routes() []route {
	get, post, options := http.MethodGet, http.MethodPost, http.MethodOptions
	metadata := &resourceMetadata{[]*Client{c}}
	routes := []route{
		{c.config.LoginPath, true, []string{get}, c.LoginHandler()},
		{c.paths.callback(), true, []string{get}, c.CallbackHandler()},
		{c.config.LogoutPath, true, []string{get, post}, c.LogoutHandler()},
		{c.paths.frame(), false, []string{get, post}, c.frameHandler()},
		{resourceMetadataPath, true, []string{get, options}, metadata},
		{resourceMetadataPath + "/", false, []string{get, options}, metadata},
	}
	if c.config.unregistered() {
		routes = append(routes, route{cimdPath, true, []string{get}, http.HandlerFunc(c.clientMetadata)})
	}
	return routes
}

// stripped returns routes as a proxy requests them that strips the app's base
// path. The handlers see the paths that browsers see.
func (p *paths) stripped(routes []route) []route {
	base := strings.TrimSuffix(basePath(p.callback()), "/")
	if base == "" {
		return nil
	}
	var stripped []route
	for _, r := range routes {
		path, ok := strings.CutPrefix(r.path, base+"/")
		if !ok {
			continue
		}
		handler := r.handler
		r.path = "/" + path
		r.handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			seen := req.WithContext(req.Context())
			url := *req.URL
			url.Path, url.RawPath = base+url.Path, ""
			seen.URL = &url
			handler.ServeHTTP(w, seen)
		})
		stripped = append(stripped, r)
	}
	return stripped
}

// yielding is a handler for a stripped path. It gives way to a Client that has
// the same path without stripping.
type yielding struct{ http.Handler }

func (r *route) mount(mux *http.ServeMux, method string) {
	switch taken := r.registered(mux, method).(type) {
	case *yielding:
		taken.Handler = r.handler
		return
	case *resourceMetadata:
		if metadata, ok := r.handler.(*resourceMetadata); ok {
			taken.share(metadata)
			return
		}
	}
	mux.Handle(r.pattern(method), r.handler)
}

func (r *route) mountUnlessTaken(mux *http.ServeMux, method string) {
	if r.registered(mux, method) == nil {
		mux.Handle(r.pattern(method), &yielding{r.handler})
	}
}

func (r *route) pattern(method string) string {
	if r.exact && strings.HasSuffix(r.path, "/") {
		return method + " " + r.path + "{$}"
	}
	return method + " " + r.path
}

// registered returns the handler with the same pattern, or nil.
func (r *route) registered(mux *http.ServeMux, method string) http.Handler {
	req, err := http.NewRequest(method, r.path, nil)
	if err != nil {
		return nil
	}
	if handler, pattern := mux.Handler(req); pattern == r.pattern(method) {
		return handler
	}
	return nil
}
