module github.com/hfoauth/hfoauth/examples/space

go 1.26.0

replace github.com/hfoauth/hfoauth => ../..

require (
	github.com/hfoauth/hfoauth v0.0.0-00010101000000-000000000000
	go.yaml.in/yaml/v3 v3.0.6
)

require (
	github.com/coreos/go-oidc/v3 v3.21.0 // indirect
	github.com/go-jose/go-jose/v4 v4.1.4 // indirect
	golang.org/x/oauth2 v0.37.0 // indirect
)
