package main

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/hfoauth/hfoauth"
)

// echoApp puts the client around the router, and wraps middleware by
// echo.WrapMiddleware.
func echoApp(client *hfoauth.Client) http.Handler {
	router := echo.New()
	router.Renderer = &echo.TemplateRenderer{Template: pages}

	show := func(page string) echo.HandlerFunc {
		return func(c echo.Context) error { return c.Render(http.StatusOK, page, newView(client, c.Request())) }
	}
	router.GET("/", show("home"))
	router.GET("/private", show("private"), echo.WrapMiddleware(client.RequireUser))
	router.FileFS("/style.css", "style.css", files)
	return client.Handler(router)
}
