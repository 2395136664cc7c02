package cli

import (
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
		return untouched("%s is no directory", filepath.Dir(path))
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return untouched("%s is no ordinary file", path) // a pipe would wait for its reader
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
		return untouched("%w", err)
	}
	return nil
}

func untouched(format string, args ...any) error {
	return bridge.Errorf(bridge.Invalid, "touch: "+format, args...).WithHint("name a file that you can write to; what was read waits for the next check")
}
