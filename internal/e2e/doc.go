// Package e2e tests hfoauth in a real browser: an app inside an iframe of
// another site, and the quickstart as a program of its own. It needs Chromium
// (make setup). Screenshots go to the directory HFOAUTH_SCREENSHOTS, if set.
package e2e
