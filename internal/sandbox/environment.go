package sandbox

import (
	"os"
	"slices"
	"strings"
)

// environment is all that a command has: nothing of it is this process's own.
func environment(cmd Command, path, home string) []string {
	env := []string{
		"PATH=" + path, "HOME=" + home, "TMPDIR=/tmp", "SHELL=/bin/sh", "USER=sandbox", "LOGNAME=sandbox", "LANG=C.UTF-8", "TERM=dumb", "CI=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1", "GOTOOLCHAIN=local",
	}
	if !cmd.Network {
		env = append(env, "GOPROXY=off", "NPM_CONFIG_OFFLINE=true", "PIP_NO_INDEX=1", "CARGO_NET_OFFLINE=true")
	}
	for _, v := range cmd.Env {
		name, _, _ := strings.Cut(v, "=")
		env = slices.DeleteFunc(env, func(old string) bool { return strings.HasPrefix(old, name+"=") })
		env = append(env, v)
	}
	return env
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
