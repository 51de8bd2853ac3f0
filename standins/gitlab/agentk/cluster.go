package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// clusterProxy asks the API server at host and port as the pod's own account, whose files are in a directory.
func clusterProxy(account, host, port string) (http.Handler, error) {
	if host == "" || port == "" {
		return nil, fmt.Errorf("KUBERNETES_SERVICE_HOST and _PORT are not set: this runs in a pod only")
	}
	content, err := os.ReadFile(filepath.Join(account, "ca.crt"))
	if err != nil {
		return nil, err
	}
	trust := x509.NewCertPool()
	if !trust.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s: no PEM certificate in it", filepath.Join(account, "ca.crt"))
	}
	server := &url.URL{Scheme: "https", Host: net.JoinHostPort(host, port)}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(server)
			// The token is exchanged while the pod runs, so it is read each time.
			token, err := os.ReadFile(filepath.Join(account, "token"))
			if err != nil {
				log.Printf("the account's token: %v", err)
			}
			request.Out.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		},
		Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: most,
		},
		// What is watched or followed arrives when it happens.
		FlushInterval: -1,
		ErrorHandler: func(answer http.ResponseWriter, request *http.Request, err error) {
			log.Printf("%s %s: %v", request.Method, request.URL.Path, err)
			answer.Header().Set("Content-Type", "application/json")
			answer.WriteHeader(http.StatusBadGateway)
			_ = json.NewEncoder(answer).Encode(map[string]any{
				"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "BadGateway", "code": http.StatusBadGateway,
				"message": fmt.Sprintf("the agent cannot reach the cluster's API: %v", err),
			})
		},
	}
	return proxy, nil
}
