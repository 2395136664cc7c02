//go:build !linux

package cli

import (
	"io/fs"
	"os"
)

// nearestLocked is -1: nobody here says who holds a lock.
func nearestLocked([]fs.FileInfo) int { return -1 }

// lineage tells who started this process. It changes when that one ends, on systems that say so.
func lineage() [2]int { return [2]int{os.Getppid()} }
