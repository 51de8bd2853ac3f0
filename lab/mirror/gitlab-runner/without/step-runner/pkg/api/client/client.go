// Package client has what a step-runner would answer.
package client

// ErrorKind is why a run failed.
type ErrorKind int

// The kinds that GitLab Runner tells apart; the zero value is none of them.
const (
	ErrorInternal ErrorKind = iota + 1
	ErrorStepFailure
	ErrorCancelled
	ErrorTimeout
	ErrorUnknown
)

// Status of a run.
type Status struct {
	ErrorKind ErrorKind
}
