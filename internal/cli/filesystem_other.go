//go:build !linux

package cli

// filesystem names what a directory lies on, where that is known.
func filesystem(string) string { return "an unknown file system" }
