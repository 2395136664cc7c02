package sqlite

import (
	"os"
	"syscall"
)

// fileSystem gives the magic number of the file system that path is on, as in statfs(2).
func fileSystem(path string) (uint32, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return uint32(st.Type), nil
}
