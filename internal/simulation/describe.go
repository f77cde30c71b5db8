package simulation

import (
	"fmt"
	"strings"
)

// describe lists the sessions in a request.
func (o *oracle) describe(x *exchange) string {
	var texts []string
	for _, c := range x.cookies {
		kind := "session"
		if x.proc != nil && c.name == x.proc.app.FrameCookie {
			kind = "frame"
		}
		switch {
		case c.session != nil:
			state := ""
			if c.must != "" {
				state = ", ended by " + c.must
			} else if c.live {
				state = ", live"
			}
			texts = append(texts, fmt.Sprintf("%s cookie %s of session %d%s", kind,
				o.w.driver.alias("cookie", c.value), c.session.n, state))
		default:
			texts = append(texts, kind+" cookie of nothing")
		}
	}
	if x.bearer != "" {
		texts = append(texts, o.w.driver.alias("token", x.bearer))
	}
	if len(texts) == 0 {
		return "no session"
	}
	return strings.Join(texts, "; ")
}

// outcome describes a response.
func (o *oracle) outcome(x *exchange) string {
	text := fmt.Sprint(x.status)
	if x.location != "" {
		path, _, _ := strings.Cut(x.location, "?")
		text += " to " + path
	}
	if x.user != "" {
		text += " as " + x.user
	}
	if x.path == framePath+"claim" || x.path == framePath+"check" {
		text += " " + strings.TrimSpace(x.body)
	}
	for _, line := range x.set {
		pair, attributes, _ := strings.Cut(line, ";")
		name, value, _ := strings.Cut(pair, "=")
		kind := ""
		switch {
		case name == x.proc.app.SessionCookie:
			kind = "session cookie"
		case name == x.proc.app.FrameCookie:
			kind = "frame cookie"
		default:
			kind = "other cookie"
		}
		age, _, _ := strings.Cut(strings.TrimPrefix(attributes, " Max-Age="), ";")
		if value == "" {
			text += ", removes " + kind
		} else {
			text += fmt.Sprintf(", sets %s %s for %ss", kind, o.w.driver.alias("cookie", value), age)
		}
	}
	return text
}
