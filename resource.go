package hfoauth

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// resourceMetadataPath is where the metadata of what accepts bearer tokens
// begins (RFC 9728 section 3).
const resourceMetadataPath = "/.well-known/oauth-protected-resource"

// resourceURL is the identifier of what is at a path (RFC 9728 section 1.2).
// That of the whole site has no slash at its end.
func (c *Client) resourceURL(path string) string {
	return origin(c.redirectURL) + strings.TrimSuffix(path, "/")
}

// resourceMetadataURL is where the metadata of what is at a path is found: the
// well-known path goes between host and path (RFC 9728 section 3.1).
func (c *Client) resourceMetadataURL(path string) string {
	return origin(c.redirectURL) + resourceMetadataPath + strings.TrimSuffix(path, "/")
}

// resourceMetadata serves what programs need to know to get a token for a
// resource (RFC 9728 section 2), to those in browsers of other sites as well.
// The path does not say whose resource it is, so the Clients of one mux share
// the handler. There is none of a path that no AcceptBearer named.
type resourceMetadata struct{ clients []*Client }

// at returns what was named by the path of a request, with its client.
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
	if r.Method == http.MethodOptions { // MCP clients send a header of their own, so browsers ask first
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
		"resource":                 c.resourceURL(route.Resource),
		"authorization_servers":    []string{c.config.ProviderURL},
		"scopes_supported":         route.Scopes.signIn(),
		"bearer_methods_supported": []string{"header"},
	})
}
