//go:build !linux

package cli

import "github.com/rogpeppe/go-internal/testscript"

// typed is for scripts on Linux: how to open a pseudo-terminal differs elsewhere.
func typed(ts *testscript.TestScript, neg bool, args []string) {
	ts.Fatalf("no pseudo-terminal here")
}

func answered(ts *testscript.TestScript, neg bool, args []string) {
	ts.Fatalf("no pseudo-terminal here")
}

func pasted(ts *testscript.TestScript, neg bool, args []string) {
	ts.Fatalf("no pseudo-terminal here")
}
