// Package e2e tests hfoauth from outside: in a real browser, inside an iframe on
// another site, with the quickstart as a separate program, while the provider fails,
// and with providers that others wrote. It needs Chromium and
// axe-core (make setup). Screenshots go to the directory HFOAUTH_SCREENSHOTS,
// if set.
package e2e
