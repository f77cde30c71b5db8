package hfoauthtest

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// maxRequests limits the number of recorded requests.
const maxRequests = 4096

// Request is a request that an endpoint received.
type Request struct {
	Endpoint Endpoint
	Method   string
	Header   http.Header
	Form     url.Values // query and body
}

// Requests returns the requests to an endpoint, oldest first. Only the last 4,096
// requests to all endpoints are recorded.
func (s *Server) Requests(endpoint Endpoint) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Request
	for i := range s.requests {
		request := s.requests[(s.oldest+i)%len(s.requests)]
		if request.Endpoint == endpoint {
			found = append(found, request)
		}
	}
	return found
}

// Calls returns how many requests an endpoint received, including those that
// failed because of a [Fault].
func (s *Server) Calls(endpoint Endpoint) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[endpoint]
}

func (s *Server) record(endpoint Endpoint, r *http.Request) {
	for _, name := range []string{"client_secret", "code_verifier", "code", "refresh_token", "device_code"} {
		s.recordSecret(r.PostForm.Get(name))
	}
	if id, secret, ok := r.BasicAuth(); ok {
		s.recordSecret(secret)
		s.recordSecret(base64.StdEncoding.EncodeToString([]byte(id + ":" + secret)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[endpoint]++
	request := Request{endpoint, r.Method, r.Header.Clone(), maps.Clone(r.Form)}
	if len(s.requests) < maxRequests {
		s.requests = append(s.requests, request)
		return
	}
	s.requests[s.oldest] = request
	s.oldest = (s.oldest + 1) % maxRequests
}

// Secrets returns every code, token, verifier and client secret that the Server
// issued or received, so that a test can search logs and pages for them. Only
// Servers of [NewServer] record them, since others may run for a long time.
func (s *Server) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.secrets))
}

func (s *Server) recordSecrets() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets = map[string]bool{}
}

func (s *Server) recordSecret(secret string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.secrets != nil && secret != "" {
		s.secrets[secret] = true
	}
	return secret
}
