//go:build !seeded

package sqlite

// answerEarly is a bug of the build that tries the checker; see internal/bridge/bugs.go.
func answerEarly() bool { return false }
