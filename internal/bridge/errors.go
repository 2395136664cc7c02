package bridge

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Code says what kind of failure an [Error] is. A Code is itself an error, for use with [errors.Is].
type Code string

// The codes. Their HTTP status and exit status are in [Codes].
const (
	Invalid     Code = "invalid"      // the arguments are wrong; the same call will fail again
	NotFound    Code = "not_found"    // there is no such thing, or none that the caller may know of
	Conflict    Code = "conflict"     // it was done already, differently
	LeaseLost   Code = "lease_lost"   // it was given to another in the meantime
	Denied      Code = "denied"       // the caller may not do this
	Expired     Code = "expired"      // its time is over
	RateLimited Code = "rate_limited" // too much, too fast; RetryAfter says when to come back
	Paused      Code = "paused"       // a person or the loop guard stopped the conversation
	Unavailable Code = "unavailable"  // outcome unknown or not done; the same call with the same key is safe
	Internal    Code = "internal"     // a bug
)

// Code is an error, so that errors.Is(err, bridge.NotFound) reads as it should.
func (c Code) Error() string { return string(c) }

// Codes maps each code to its HTTP status and its exit status. It is the only such table.
var Codes = map[Code]struct{ HTTP, Exit int }{
	Invalid:     {http.StatusBadRequest, 2},
	NotFound:    {http.StatusNotFound, 4},
	Conflict:    {http.StatusConflict, 1},
	LeaseLost:   {http.StatusConflict, 1},
	Denied:      {http.StatusForbidden, 3},
	Expired:     {http.StatusForbidden, 3},
	RateLimited: {http.StatusTooManyRequests, 1},
	Paused:      {http.StatusConflict, 1},
	Unavailable: {http.StatusServiceUnavailable, 1},
	Internal:    {http.StatusInternalServerError, 1},
}

// Error is a failure that its reader can act on. Its JSON is the error shape of the tools. Message and Hint never hold a secret
// or what somebody else wrote.
type Error struct {
	Code       Code   `json:"code"`
	Message    string `json:"message"`
	Hint       string `json:"hint"`
	RetryAfter int    `json:"retry_after_seconds,omitempty"` // whole seconds, rounded up

	cause error
}

// Errorf makes an [Error] with a message; add the way out with [Error.WithHint]. A %w verb keeps its cause for the log, and the
// cause's text is part of the message, so wrap only what may be shown.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), cause: errors.Unwrap(err)}
}

// WithHint returns the error with a way out: what to type or call next.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// Retry returns the error with the time after which the same call can succeed.
func (e *Error) Retry(after time.Duration) *Error {
	e.RetryAfter = max(1, int((after+time.Second-1)/time.Second))
	return e
}

func (e *Error) Error() string { return e.Message }

// Text is all that the reader of plain text needs: the message, then the way out on a line of its own, with the time to come back.
func (e *Error) Text() string {
	text := e.Message
	if e.Hint != "" {
		text += "\nhint: " + e.Hint
	}
	if e.RetryAfter > 0 {
		text += fmt.Sprintf(" (possible again in %d s)", e.RetryAfter)
	}
	return text
}

// Unwrap gives the cause, for logs.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is this error's code.
func (e *Error) Is(target error) bool {
	c, ok := target.(Code)
	return ok && c == e.Code
}

// AsError turns any error into an [Error]: one that is none yet becomes internal, its text kept out of the message because
// nobody checked what it holds.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if c, ok := errors.AsType[Code](err); ok {
		return &Error{Code: c, Message: string(c), cause: err}
	}
	return &Error{Code: Internal, Message: "internal error", Hint: "the log of the agentbridge process has the details; please report it", cause: err}
}
