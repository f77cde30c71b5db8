package hfoauth

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hfoauth/hfoauth/internal/provider"
)

// sayer returns an English sentence, a format as for fmt.Sprintf, in the
// language of a user.
type sayer func(format string, args ...any) string

// words returns the sayer for the user who sent a request.
func (p *pages) words(r *http.Request) sayer {
	if p.translate == nil {
		return fmt.Sprintf
	}
	return func(format string, args ...any) string { return p.translate(r, format, args...) }
}

// language returns the tag of the user's language (RFC 5646): the translation of
// "en".
func (say sayer) language() string { return say("en") }

// rightToLeft are the languages written from right to left.
var rightToLeft = []string{"ar", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"}

// direction returns the direction of a language, for the attribute dir.
func direction(language string) string {
	primary, _, _ := strings.Cut(language, "-")
	if slices.Contains(rightToLeft, primary) {
		return "rtl"
	}
	return "ltr"
}

const huggingFace = "Hugging Face"

// providerName is the provider's name for users. A provider on loopback is taken
// for a stand-in for Hugging Face.
func (c *Config) providerName() string {
	host := hostname(c.ProviderURL)
	if c.ProviderURL == defaultProviderURL || provider.Loopback(host) {
		return huggingFace
	}
	return host
}

// scriptWords are the sentences of pages/hfoauth.js.
var scriptWords = []string{
	"Complete sign-in in the tab that just opened. Didn't see it?",
	"Open it again.",
	"Sign-in was cancelled.",
	"Your browser does not let this page keep you signed in here.",
	"Open it in a new tab.",
	"Sign-in took too long. Try again.",
}
