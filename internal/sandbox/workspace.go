package sandbox

import (
	"errors"
	"os"
	"path/filepath"
)

// Check finds what makes the workspace unfit: an [Error] of kind [BadWorkspace]. It is quick; [New] begins with it.
func (o Options) Check() error {
	if o.Home == "" {
		o.Home, _ = os.UserHomeDir()
	}
	return o.check()
}

// check finds what makes the workspace unfit.
func (o Options) check() error {
	dir := o.Workspace
	bad := func(hint, format string, args ...any) error { return refusal(BadWorkspace, hint, format, args...) }
	if !filepath.IsAbs(dir) || filepath.Clean(dir) != dir {
		return bad("give its absolute path", "the workspace %q is not an absolute path in its shortest form", dir)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return bad("give a directory that exists", "the workspace %s cannot be used: %s", dir, cause(err))
	}
	if real != dir {
		return bad("give "+real, "the workspace %s leads through a symbolic link", dir)
	}
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return bad("give a directory", "the workspace %s is not a directory", dir)
	}
	if o.Home != "" && within(realPath(o.Home), dir) {
		return bad("give a directory of its own, such as a checkout", "the workspace %s holds a whole home", dir)
	}
	for _, top := range []string{"/", "/home", "/root", "/etc", "/usr", "/bin", "/sbin", "/lib", "/lib64", "/dev", "/proc", "/sys", "/run", "/boot", "/var", "/tmp", "/var/tmp", "/opt"} {
		if dir == top || filepath.Dir(dir) == dir {
			return bad("give a directory of its own, such as a checkout", "the workspace %s belongs to the whole machine", dir)
		}
	}
	for _, top := range []string{"/etc", "/dev", "/proc", "/sys", "/run", "/boot", "/usr", "/bin", "/sbin", "/lib"} {
		if within(dir, top) {
			return bad("give a directory of its own, such as a checkout", "the workspace %s belongs to the system", dir)
		}
	}
	for _, name := range o.Protect {
		if !filepath.IsLocal(filepath.FromSlash(name)) || filepath.Clean(name) == "." {
			return bad("give a path relative to the workspace", "%q, which is to be protected, is not in the workspace", name)
		}
	}
	cache := realPath(o.Cache)
	if o.Cache != "" && (within(cache, dir) || within(dir, cache)) {
		return bad("give the cache a directory of its own", "the cache %s and the workspace share files", cache)
	}
	for _, hidden := range o.Hidden {
		if o.Cache != "" && within(hidden, cache) {
			return bad("give the cache a directory of its own", "the cache %s holds a directory that commands must not see", cache)
		}
		if within(dir, hidden) {
			return bad("give a directory elsewhere", "the workspace %s lies in a directory that commands must not see", dir)
		}
	}
	return nil
}

// realPath is the path without symbolic links, as far as it exists.
func realPath(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if dir := filepath.Dir(path); dir != path {
		return filepath.Join(realPath(dir), filepath.Base(path))
	}
	return path
}

// within reports whether path is dir or beneath it.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// cause is the innermost reason, without the path around it.
func cause(err error) string {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}
