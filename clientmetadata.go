package hfoauth

import (
	"encoding/json"
	"net/http"
	"net/url"
)

// cimdPath is where an app that is not registered describes itself
// (https://huggingface.co/docs/hub/oauth, Client ID Metadata Document).
const cimdPath = "/.well-known/oauth-cimd"

// clientMetadataPath is where this app describes itself, or empty if it is
// registered.
func (c *Client) clientMetadataPath() string {
	if c.config.ClientName == "" || c.config.ClientID != c.config.metadataURL() {
		return ""
	}
	return cimdPath
}

// clientMetadata serves the Client ID Metadata Document.
func (c *Client) clientMetadata(w http.ResponseWriter, r *http.Request) {
	if !allowMethods(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	json.NewEncoder(w).Encode(map[string]any{
		"client_id":                  c.config.ClientID,
		"client_name":                c.config.ClientName,
		"client_uri":                 origin(c.redirectURL),
		"redirect_uris":              []string{c.config.RedirectURL},
		"token_endpoint_auth_method": "none",
	})
}

// metadataURL is the client ID of an app that is not registered, or empty
// where there is no redirect URL to derive it from.
func (c *Config) metadataURL() string {
	u, err := url.Parse(c.RedirectURL)
	if err != nil || u.Host == "" {
		return ""
	}
	return origin(u) + cimdPath
}
