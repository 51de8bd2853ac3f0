// Package snowplow has the types of what GitLab's own servers are told of a runner's usage: nothing, here.
package snowplow

// SendResult is how it went.
type SendResult struct {
	EventCount, StatusCode int
	Err                    error
}

// SendCallback is told how it went.
type SendCallback func(successes, failures []SendResult)
