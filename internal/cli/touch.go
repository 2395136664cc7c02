package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"agentbridge/internal/bridge"
)

// touchable refuses, before anything is taken, a path at which no file can be.
func touchable(path string) error {
	if path == "" {
		return untouched("no file is named")
	}
	info, err := os.Stat(filepath.Dir(path))
	if err != nil || !info.IsDir() {
		return untouched("it would not be in a directory")
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return untouched("it is no ordinary file") // a pipe would wait for its reader
	}
	return nil
}

// touch makes a file, or makes it look as if it had just been written. What watches files by either is woken.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.Chtimes(path, time.Time{}, time.Now())
	}
	if err != nil {
		if at, ok := errors.AsType[*fs.PathError](err); ok {
			err = at.Err
		}
		return untouched("%w", err)
	}
	return nil
}

// untouched does not show the path: part of a secret that was pasted there may not look like one.
func untouched(format string, args ...any) error {
	return bridge.Errorf(bridge.Invalid, "touch: "+format, args...).WithHint("name a file that you can write to; what was read waits for the next check")
}
