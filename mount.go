package hfoauth

import (
	"net/http"
	"strings"
)

// Mount registers the handlers of the package: GET Config.LoginPath, GET the
// path of Config.RedirectURL, POST Config.LogoutPath, what lies below
// LoginPath/frame/, the document below /.well-known/ of an app that is not
// registered, and /.well-known/oauth-protected-resource with all below it,
// which answers 404 for a resource that no [Client.AcceptBearer] named.
//
// Behind a proxy that strips the path below which the app lives, the same
// handlers are reached without it. Like [http.ServeMux.Handle] Mount panics if
// a pattern is taken by a handler of the app.
func (c *Client) Mount(mux *http.ServeMux) {
	for _, route := range c.routes() {
		for _, method := range route.methods {
			route.mount(mux, method)
		}
	}
	for _, route := range c.strippedRoutes() {
		for _, method := range route.methods {
			route.mountUnlessTaken(mux, method)
		}
	}
}

// Handler serves what [Client.Mount] registers, whatever the method, and leaves
// all other requests to next: for routers other than http.ServeMux, and as
// middleware around a whole app. A handler of the app for one of these paths is
// never reached.
//
// Of two Clients in one program, the one whose paths are at the root goes
// outside.
func (c *Client) Handler(next http.Handler) http.Handler {
	routes := append(c.routes(), c.strippedRoutes()...)
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

// route is a path of ours, or all below one that ends with a slash.
type route struct {
	path    string
	exact   bool // nothing below it
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
		{c.callbackPath(), true, []string{get}, c.CallbackHandler()},
		{c.config.LogoutPath, true, []string{get, post}, c.LogoutHandler()},
		{c.framePath(), false, []string{get, post}, c.frameHandler()},
		{resourceMetadataPath, true, []string{get, options}, metadata},
		{resourceMetadataPath + "/", false, []string{get, options}, metadata},
	}
	if path := c.clientMetadataPath(); path != "" {
		routes = append(routes, route{path, true, []string{get}, http.HandlerFunc(c.clientMetadata)})
	}
	return routes
}

// strippedRoutes lists the paths of sign-in as they arrive from a proxy that
// strips the path below which the app lives. The handlers see the path that
// browsers see.
func (c *Client) strippedRoutes() []route {
	base := strings.TrimSuffix(basePath(c.callbackPath()), "/")
	if base == "" {
		return nil
	}
	var routes []route
	for _, r := range c.routes() {
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
		routes = append(routes, r)
	}
	return routes
}

// yielding is a handler at a path that a proxy stripped. It gives way to that
// of a Client which has the path by its own right.
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

// registered returns the handler that has the same pattern, nil if none has.
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
