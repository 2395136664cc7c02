//go:build !linux

package cli

import "io"

// ownPipe gives a client's pipe as it is: there is no way to open it anew here.
func ownPipe(r io.Reader) io.Reader { return r }
