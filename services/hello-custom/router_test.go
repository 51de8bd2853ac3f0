package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
)

func TestRouter(t *testing.T) {
	gin.SetMode(gin.TestMode)
	handler := router()

	for _, test := range []struct {
		path   string
		status int
		body   string
	}{
		{"/healthz", http.StatusOK, `{"message":"OK"}`},
		{"/ping", http.StatusOK, `{"message":"pong"}`},
		{"/hello", http.StatusOK, `{"message":"world"}`},
		{"/add", http.StatusOK, `{"result":10}`},
		{"/add?a=1&b=2", http.StatusOK, `{"result":3}`},
		{"/add?a=-1", http.StatusOK, `{"result":7}`},
		{"/add?a=one", http.StatusBadRequest, `{"message":"a and b are whole numbers, as in /add?a=1\u0026b=2"}`},
		{"/nowhere", http.StatusNotFound, "404 page not found"},
	} {
		t.Run(test.path, func(t *testing.T) {
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, test.path, nil))

			if answer.Code != test.status || answer.Body.String() != test.body {
				t.Errorf("%d %s, expected %d %s", answer.Code, answer.Body, test.status, test.body)
			}
		})
	}
}
