package hfoauth

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
)

// cimdPath is where an unregistered app describes itself
// (https://huggingface.co/docs/hub/oauth, Client ID Metadata Document).
const cimdPath = "/.well-known/oauth-cimd"

// clientMetadata serves the Client ID Metadata Document.
func (c *Client) clientMetadata(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	allowCaching(w.Header(), "public, max-age=300")
	json.NewEncoder(w).Encode(map[string]any{
		"client_id":                  c.config.ClientID,
		"client_name":                cmp.Or(c.config.AppName, c.paths.redirect.Host),
		"client_uri":                 origin(c.paths.redirect),
		"redirect_uris":              []string{c.config.RedirectURL},
		"token_endpoint_auth_method": "none",
	})
}

// unregistered reports whether ClientID is the URL of a document that the app
// itself serves.
func (c *Config) unregistered() bool {
	u, err := url.Parse(c.RedirectURL)
	return err == nil && c.ClientID == origin(u)+cimdPath
}
