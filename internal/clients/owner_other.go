//go:build !unix

package clients

import "os"

// own has nothing to do: a new file belongs to the user.
func own(string, *os.File) {}
