package cli

import "github.com/rogpeppe/go-internal/testscript"

// detached is for scripts on Unix: controlling terminals are a thing of theirs.
func detached(ts *testscript.TestScript, neg bool, args []string) {
	ts.Fatalf("no controlling terminal here")
}
