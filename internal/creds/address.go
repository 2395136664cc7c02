package creds

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"agentbridge/internal/bridge"
)

// DefaultBranch is a branch of its own, so that a repository that holds other things does as well.
const DefaultBranch = "agentbridge-creds"

var (
	scpLike    = regexp.MustCompile(`^(?:[A-Za-z0-9][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*:[^:\s][^\s]*$`)
	hostName   = regexp.MustCompile(`^(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?$`)
	userName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	branchName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*(?:[./][A-Za-z0-9][A-Za-z0-9_-]*)*$`)
)

// CheckURL gives the address of a repository as git gets it: a directory as an absolute path, ssh, or https. Others are [bridge.Invalid]:
// those that run programs, that cross the network in clear, that hold a password, or that git could take for an option.
func CheckURL(text string) (string, error) {
	hint := "give a directory, ssh://git@host/path, git@host:path or https://host/path"
	bad := func(why string) (string, error) {
		return "", bridge.Errorf(bridge.Invalid, "the address of the repository %s", why).WithHint("%s", hint)
	}
	switch scheme, _, found := strings.Cut(text, "://"); {
	case text == "" || len(text) > 1000 || strings.HasPrefix(text, "-") || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return bad("is none")
	case strings.Contains(text, "::"):
		return bad("names a program to run (::), and those are not run")
	case found && (scheme == "ssh" || scheme == "https"):
		u, err := url.Parse(text)
		if err != nil || !hostName.MatchString(u.Host) || u.Path == "" || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
			return bad("is none")
		}
		if _, secret := u.User.Password(); secret || u.User != nil && scheme == "https" {
			hint = "leave it out, because it would be kept and shown in clear; put it into ~/.netrc, or use ssh with a key"
			return bad("holds a user name or a password")
		}
		if u.User != nil && !userName.MatchString(u.User.Username()) {
			return bad("is none")
		}
		return text, nil
	case found && scheme == "file":
		text = strings.TrimPrefix(text, "file://")
		if !filepath.IsAbs(text) {
			return bad("is none")
		}
	case found:
		return bad("has a scheme that is not used here")
	case scpLike.MatchString(text) && filepath.VolumeName(text) == "" && !strings.Contains(strings.Split(text, ":")[0], "/"):
		return text, nil
	}
	path, err := filepath.Abs(text)
	if err != nil {
		return bad("is none")
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return "", bridge.Errorf(bridge.NotFound, "there is no repository at %s", path).WithHint("make one with git init --bare, or %s", hint)
	}
	return path, nil
}

// CheckBranch refuses what is no plain name of a branch.
func CheckBranch(name string) error {
	if len(name) > 100 || !branchName.MatchString(name) || strings.HasSuffix(name, ".lock") || strings.Contains(name, ".lock/") {
		return bridge.Errorf(bridge.Invalid, "that is no name for a branch").WithHint("use letters, digits, - and _, such as %s", DefaultBranch)
	}
	return nil
}

// isDirectory reports whether a checked address is a directory of this machine.
func isDirectory(address string) bool { return filepath.IsAbs(address) }
