module github.com/hfoauth/hfoauth/internal/clients

go 1.26.0

require github.com/hfoauth/hfoauth v0.0.0

replace github.com/hfoauth/hfoauth => ../..
