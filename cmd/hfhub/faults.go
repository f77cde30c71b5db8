package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// endpoints are the short names of the endpoints.
var endpoints = map[string]hfoauthtest.Endpoint{
	"metadata":  hfoauthtest.MetadataEndpoint,
	"server":    hfoauthtest.ServerMetadataEndpoint,
	"authorize": hfoauthtest.AuthorizeEndpoint,
	"token":     hfoauthtest.TokenEndpoint,
	"userinfo":  hfoauthtest.UserInfoEndpoint,
	"jwks":      hfoauthtest.JWKSEndpoint,
	"device":    hfoauthtest.DeviceEndpoint,
	"register":  hfoauthtest.RegisterEndpoint,
	"whoami":    hfoauthtest.WhoAmIEndpoint,
}

func parseEndpoint(name string) (hfoauthtest.Endpoint, error) {
	endpoint, ok := endpoints[name]
	if !ok {
		return "", fmt.Errorf("unknown endpoint %q: use one of %s", name,
			strings.Join(slices.Sorted(maps.Keys(endpoints)), ", "))
	}
	return endpoint, nil
}

type endpointFault struct {
	endpoint hfoauthtest.Endpoint
	fault    hfoauthtest.Fault
}

// parseEndpointFault parses ENDPOINT=FAULT.
func parseEndpointFault(text string) (endpointFault, error) {
	name, fault, ok := strings.Cut(text, "=")
	if !ok {
		return endpointFault{}, fmt.Errorf("%q is not of the form ENDPOINT=FAULT, such as token=503", text)
	}
	var f endpointFault
	var err error
	if f.endpoint, err = parseEndpoint(name); err != nil {
		return f, err
	}
	f.fault, err = parseFault(fault)
	return f, err
}

// parseFault parses a status, KIND or KIND:ARGUMENT, and after an optional
// asterisk how often the fault happens.
func parseFault(text string) (hfoauthtest.Fault, error) {
	what, times, limited := strings.Cut(text, "*")
	fault, err := parseKind(what)
	if err != nil || !limited {
		return fault, err
	}
	n, err := strconv.Atoi(times)
	if err != nil || n < 1 {
		return nil, fmt.Errorf("%q: %q is not a number above 0", text, times)
	}
	return hfoauthtest.Times(n, fault), nil
}

func parseKind(text string) (hfoauthtest.Fault, error) {
	kind, argument, _ := strings.Cut(text, ":")
	switch kind {
	case "drop":
		return hfoauthtest.Drop(), nil
	case "cut":
		return hfoauthtest.Cut(), nil
	case "aborted":
		return hfoauthtest.Aborted(), nil
	case "delay", "trickle":
		d, err := time.ParseDuration(argument)
		if err != nil || d <= 0 {
			return nil, fmt.Errorf("%q: give a duration, %s:2s for example", text, kind)
		}
		if kind == "delay" {
			return hfoauthtest.Delay(d), nil
		}
		return hfoauthtest.Trickle(d), nil
	case "huge":
		n, err := strconv.Atoi(argument)
		if err != nil || n <= 0 {
			return nil, fmt.Errorf("%q: give a number of bytes, huge:20000000 for example", text)
		}
		return hfoauthtest.Huge(n), nil
	}
	status, err := strconv.Atoi(kind)
	if err != nil || status < 200 || status > 599 {
		return nil, fmt.Errorf("%q is not a fault: give a status such as 503, or drop, cut, aborted, "+
			"delay:2s, trickle:100ms, huge:20000000", text)
	}
	return hfoauthtest.Answer(status, answerBody(status, argument)), nil
}

// answerBody returns the body of a response: the argument, or the text of the
// status if it is empty.
func answerBody(status int, argument string) string {
	if argument != "" {
		return argument
	}
	return fmt.Sprintf(`{"error":%q}`, http.StatusText(status))
}
