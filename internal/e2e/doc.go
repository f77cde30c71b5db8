// Package e2e tests hfoauth from outside: in a real browser, inside an iframe
// of another site and with the quickstart as a program of its own, while the
// provider fails, and at providers that others wrote. It needs Chromium and
// axe-core (make setup). Screenshots go to the directory HFOAUTH_SCREENSHOTS,
// if set.
package e2e
