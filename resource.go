package hfoauth

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// resourceMetadataPath is the prefix of the addresses of metadata about what
// accepts bearer tokens (RFC 9728 section 3).
const resourceMetadataPath = "/.well-known/oauth-protected-resource"

// resourceURL returns the identifier of the resource at a path (RFC 9728 section
// 1.2). That of the whole site does not end in a slash.
func (p *paths) resourceURL(path string) string {
	return origin(p.redirect) + strings.TrimSuffix(path, "/")
}

// resourceMetadataURL returns the address of the metadata of the resource at a
// path: the well-known path goes between host and path (RFC 9728 section 3.1).
func (p *paths) resourceMetadataURL(path string) string {
	return origin(p.redirect) + resourceMetadataPath + strings.TrimSuffix(path, "/")
}

// resourceMetadata serves the metadata from which programs learn how to get a
// token for a resource (RFC 9728 section 2), also to other sites' scripts. The
// path does not say which Client's resource it is, so the Clients of one mux
// share the handler. A path that no AcceptBearer named has no metadata.
type resourceMetadata struct{ clients []*Client }

// at returns the resource that the path of a request names, with its client.
func (m *resourceMetadata) at(r *http.Request) (*Client, *BearerOptions) {
	for _, c := range m.clients {
		if route := c.resources.at(strings.TrimPrefix(r.URL.Path, resourceMetadataPath)); route != nil {
			return c, route
		}
	}
	return nil, nil
}

func (m *resourceMetadata) share(other *resourceMetadata) {
	for _, c := range other.clients {
		if !slices.Contains(m.clients, c) {
			m.clients = append(m.clients, c)
		}
	}
}

func (m *resourceMetadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodOptions { // MCP clients send their own header, so browsers send a preflight request
		header.Set("Access-Control-Allow-Methods", "GET")
		header.Set("Access-Control-Allow-Headers", "*")
		header.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if !allowMethods(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	c, route := m.at(r)
	if route == nil {
		http.NotFound(w, r)
		return
	}
	header.Set("Content-Type", "application/json")
	allowCaching(header, "public, max-age=300")
	json.NewEncoder(w).Encode(map[string]any{
		"resource":                 c.paths.resourceURL(route.Resource),
		"authorization_servers":    []string{c.config.ProviderURL},
		"scopes_supported":         route.Scopes.signIn(),
		"bearer_methods_supported": []string{"header"},
	})
}
