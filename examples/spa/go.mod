module github.com/hfoauth/hfoauth/examples/spa

go 1.26.0

replace github.com/hfoauth/hfoauth => ../..

require (
	github.com/coder/websocket v1.8.15
	github.com/hfoauth/hfoauth v0.0.0-00010101000000-000000000000
)

require (
	github.com/coreos/go-oidc/v3 v3.21.0 // indirect
	github.com/go-jose/go-jose/v4 v4.1.4 // indirect
	golang.org/x/oauth2 v0.37.0 // indirect
)
