//go:build !linux

package cli

import "os"

// lineage tells who started this process. It changes when that one ends, on systems that say so.
func lineage() [2]int { return [2]int{os.Getppid()} }
