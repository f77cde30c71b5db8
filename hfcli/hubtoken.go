package hfcli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/hfoauth/hfoauth/internal/provider"
)

// maxHubToken limits the size of a token file, in bytes.
const maxHubToken = 16 << 10

// openHubToken signs in with the token of the Hub's own tools, and asks the Hub
// which user it belongs to.
func openHubToken(ctx context.Context, config Config) (*source, error) {
	token, origin := findHubToken()
	if token == "" {
		return nil, notSignedIn("no sign-in is stored, and no token of Hugging Face's own tools was found")
	}
	if config.ProviderURL != hubEndpoint() {
		return nil, notSignedIn("the token in " + origin + " is for " + hubEndpoint() + ", not for " +
			config.ProviderURL + ": HF_ENDPOINT decides")
	}
	s := newSource(config, nil)
	claims, err := s.provider.WhoAmI(ctx, token)
	e, ok := errors.AsType[*provider.Error](err)
	if errors.Is(err, provider.ErrNoUser) ||
		ok && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden) {
		return nil, notSignedIn("the token in " + origin + " is not a user's token, has expired or was revoked")
	}
	if err != nil {
		return nil, providerError(err)
	}
	user, err := parseUser(claims, "")
	if err != nil {
		return nil, err
	}
	s.signIn, s.hubToken = &signIn{User: user, AccessToken: token}, origin
	return s, nil
}

// hubEndpoint returns the Hub that the Hub's own tools have tokens for.
func hubEndpoint() string {
	if endpoint := os.Getenv("HF_ENDPOINT"); endpoint != "" {
		return strings.TrimRight(endpoint, "/")
	}
	return defaultProviderURL
}

// findHubToken looks for the token of the Hub's own tools in the same places as
// huggingface_hub, and returns it with its origin
// (https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables).
func findHubToken() (token, origin string) {
	for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} {
		if value := os.Getenv(name); value != "" {
			return cleanHubToken(value), name
		}
	}
	path := hubTokenPath()
	file, err := os.Open(path)
	if err != nil {
		return "", path
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxHubToken+1))
	if err != nil || len(content) > maxHubToken {
		return "", path
	}
	return cleanHubToken(string(content)), path
}

func hubTokenPath() string {
	if path := os.Getenv("HF_TOKEN_PATH"); path != "" {
		return expand(path)
	}
	home := os.Getenv("HF_HOME")
	if home == "" {
		cache := os.Getenv("XDG_CACHE_HOME")
		if cache == "" {
			cache = "~/.cache"
		}
		home = cache + "/huggingface"
	}
	return filepath.Join(expand(home), "token")
}

// expand expands ~ and variables, as huggingface_hub does.
func expand(path string) string {
	if rest, ok := strings.CutPrefix(path, "~"); ok && (rest == "" || os.IsPathSeparator(rest[0])) {
		if home, err := os.UserHomeDir(); err == nil {
			path = home + rest
		}
	}
	return os.ExpandEnv(path)
}

// cleanHubToken removes the line breaks of a file or a pasted variable. It
// returns "" for text that is not a token, because the path may name any file
// and its content would be sent to the Hub.
func cleanHubToken(text string) string {
	token := strings.TrimSpace(strings.NewReplacer("\r", "", "\n", "").Replace(text))
	if !strings.HasPrefix(token, "hf_") || !sendable(token) {
		return ""
	}
	return token
}
