//go:build amd64 || arm64

package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const cgroupRoot = "/sys/fs/cgroup"

// findCgroup gives the directory in which cgroups for commands can be made, or why there is none: the one named, or the parent of
// this process's own, where memory and pids are handed on and this user may make directories (systemd: Delegate=yes with
// DelegateSubgroup=, or a session of the user's own).
func findCgroup(named string) (dir, lacking string) {
	dir = named
	if dir == "" {
		text, err := os.ReadFile("/proc/self/cgroup")
		if err != nil {
			return "", "this kernel has no cgroups"
		}
		own := ""
		for line := range strings.Lines(string(text)) {
			if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
				own = path
			}
		}
		if own == "" || own == "/" {
			return "", "no cgroup is delegated to this process"
		}
		dir = filepath.Dir(filepath.Join(cgroupRoot, own))
	}
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
	if err != nil {
		return "", "no cgroup v2 is there"
	}
	for _, controller := range []string{"memory", "pids"} {
		if !slices.Contains(strings.Fields(string(text)), controller) {
			return "", "the cgroup hands on no control of " + controller
		}
	}
	// Writing to a system's own group would need root and would not be ours to do.
	if named == "" && (dir == cgroupRoot || unix.Access(dir, unix.W_OK) != nil || unix.Access(filepath.Join(dir, "cgroup.procs"), unix.W_OK) != nil) {
		return "", "no cgroup is delegated to this process"
	}
	return dir, ""
}

// cgroup holds the processes of one command.
type cgroup struct {
	path string
	dir  *os.File
}

func newCgroup(parent string, limits Limits) (*cgroup, error) {
	path, err := os.MkdirTemp(parent, "agentbridge-")
	if err != nil {
		return nil, err
	}
	c := &cgroup{path: path}
	for file, value := range map[string]uint64{"memory.max": limits.MemoryBytes, "pids.max": limits.Processes + 4} { // the machinery's own
		if err := c.write(file, strconv.FormatUint(value, 10)); err != nil {
			os.Remove(path)
			return nil, err
		}
	}
	c.write("memory.swap.max", "0")  // where there is swap
	c.write("memory.oom.group", "1") // all or none of it is ended
	if c.dir, err = os.Open(path); err != nil {
		os.Remove(path)
		return nil, err
	}
	return c, nil
}

func (c *cgroup) write(file, value string) error {
	return os.WriteFile(filepath.Join(c.path, file), []byte(value), 0)
}

// outOfMemory reports whether the kernel ended a process of the group for want of memory.
func (c *cgroup) outOfMemory() bool {
	text, err := os.ReadFile(filepath.Join(c.path, "memory.events"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if count, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			return count != "0"
		}
	}
	return false
}

func (c *cgroup) remove() {
	c.dir.Close()
	if err := os.Remove(c.path); errors.Is(err, unix.EBUSY) {
		c.write("cgroup.kill", "1")
		os.Remove(c.path) // what stays is empty and costs nothing
	}
}
