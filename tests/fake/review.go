package main

import (
	"net/http"
	"strings"
)

// isReview says whether a request is the question who is asking: `kubectl auth whoami`.
func isReview(r *http.Request, path []string) bool {
	return r.Method == http.MethodPost && strings.Join(path, "/") == "apis/authentication.k8s.io/v1/selfsubjectreviews"
}

// reviewOf is the answer.
func reviewOf(user string) object {
	groups := []string{"system:authenticated"}
	switch {
	case user == clientName:
		groups = []string{clientGroup, "system:authenticated"}
	case strings.HasPrefix(user, "system:serviceaccount:"): // whose name holds the token
		user = "system:serviceaccount:default:tester"
		groups = []string{"system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"}
	case user == "system:anonymous":
		groups = []string{"system:unauthenticated"}
	}
	return object{"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "metadata": object{"creationTimestamp": nil},
		"status": object{"userInfo": object{"username": user, "groups": groups}}}
}
