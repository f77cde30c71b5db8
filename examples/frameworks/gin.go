package main

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/hfoauth/hfoauth"
)

// ginApp puts the client around the router, and wraps middleware by
// wrapMiddleware.
func ginApp(client *hfoauth.Client) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Use(gin.Recovery())
	router.SetHTMLTemplate(pages)

	show := func(page string) gin.HandlerFunc {
		return func(c *gin.Context) { c.HTML(http.StatusOK, page, newView(client, c.Request)) }
	}
	router.GET("/", show("home"))
	router.GET("/private", wrapMiddleware(client.RequireUser), show("private"))
	router.StaticFileFS("/style.css", "style.css", http.FS(files))
	return client.Handler(router)
}

// wrapMiddleware turns net/http middleware into gin middleware; gin has no such
// function. If the middleware responds itself, the handlers after it must not run:
// gin would continue unless aborted.
func wrapMiddleware(middleware func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request = r // its context has the user
			c.Next()
		})
		middleware(next).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}
