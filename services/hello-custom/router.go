package main

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// router has every address that the service answers at.
func router() *gin.Engine {
	engine := gin.New()
	engine.Use(gin.Recovery())

	engine.GET("/healthz", message("OK"))
	engine.GET("/ping", message("pong"))
	engine.GET("/hello", message("world"))
	engine.GET("/add", sum)
	return engine
}

func message(text string) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"message": text})
	}
}

// summands are the query of /add, such as ?a=1&b=2.
type summands struct {
	A int `form:"a,default=2"`
	B int `form:"b,default=8"`
}

func sum(c *gin.Context) {
	var given summands
	if err := c.ShouldBindQuery(&given); err != nil {
		c.JSON(http.StatusBadRequest, gin.H{"message": "a and b are whole numbers, as in /add?a=1&b=2"})
		return
	}
	c.JSON(http.StatusOK, gin.H{"result": add(given.A, given.B)})
}

func add(a, b int) int {
	return a + b
}
