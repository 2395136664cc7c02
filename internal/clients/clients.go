// Package clients knows the programs that agents run in: their settings, and what their hooks take and give.
package clients

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Scope says whom settings are for.
type Scope string

// The scopes.
const (
	User    Scope = "user"    // everything this user does
	Project Scope = "project" // one directory, and everybody who works in it
)

// Place is a user's home and the directory at work. Nothing else of the machine is looked at but what PATH names.
type Place struct {
	Home, Dir string
	OS        string // as in runtime.GOOS
	Getenv    func(string) string
}

// Client is a program that agents run in. Find it in [All].
type Client struct {
	Name  string // on the command line, and in hooks
	Title string // for people

	program string               // as on PATH
	traces  func(Place) []string // directories and files, one of which is there where it is in use
	files   func(Place, Scope) []settings
	note    func(Scope) string // what a person has to know or do besides; may be nil
}

// settings is one file of a client, and what of ours is in it.
type settings struct {
	path    string
	toml    bool
	servers string               // the table of MCP servers; empty: none are in this file
	local   []string             // where there is another such table, for the directory at work alone; ours is not put there
	server  func(command) object // what is in it under our name
	hooks   []moment             // when ours are run; none: hooks are not in this file
	flat    bool                 // an event has its hooks themselves, not groups of them
	entry   func(m moment, line string) object
	preface object // what the file needs besides if it is new
}

// command is how a client starts our MCP server.
type command struct {
	path string
	args []string
}

// moment is an event of a client at which our hook is run.
type moment struct {
	event string // the client's name for it
	ours  Event
}

// All are the clients that settings are known of, in the order in which people are shown them.
var All = []Client{claude, codex, gemini, cursor, vscode}

// Named finds a client by the name it has on the command line.
func Named(name string) (Client, bool) {
	for _, c := range All {
		if c.Name == strings.ToLower(name) {
			return c, true
		}
	}
	return Client{}, false
}

// Found reports whether a client is on this machine: its program is on PATH, or its settings are in the home directory.
func (c Client) Found(p Place) bool {
	for _, dir := range filepath.SplitList(p.Getenv("PATH")) {
		for _, suffix := range []string{"", ".exe", ".cmd"} {
			if info, err := os.Stat(filepath.Join(dir, c.program+suffix)); dir != "" && err == nil && info.Mode().IsRegular() {
				return true
			}
		}
	}
	for _, trace := range c.traces(p) {
		if _, err := os.Stat(trace); err == nil {
			return true
		}
	}
	return false
}

// Files are the paths of the settings files that an installation is in.
func (c Client) Files(p Place, s Scope) []string {
	var paths []string
	for _, f := range c.files(p, s) {
		paths = append(paths, f.path)
	}
	return paths
}

// everywhere reports whether a project's file is one of the user's own, as in the home directory or behind a symbolic link.
func (c Client) everywhere(p Place, s Scope, f settings) bool {
	target, err := targetOf(f.path)
	return s == Project && err == nil && slices.ContainsFunc(c.files(p, User), func(own settings) bool {
		other, err := targetOf(own.path)
		return err == nil && other == target
	})
}

// Note is what a person has to know or to do after an installation, or empty.
func (c Client) Note(s Scope) string {
	if c.note == nil {
		return ""
	}
	return c.note(s)
}

// configured is a directory that an environment variable names, or else one in the home directory.
func (p Place) configured(variable, usual string) string {
	if dir := p.Getenv(variable); filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(p.Home, usual)
}

// ours reports whether a command line starts our MCP server.
func (c command) ours() bool {
	if !named(c.path) {
		return false
	}
	return slices.Contains(c.args, "mcp")
}

// named reports whether a path is that of an agentbridge, also with a version or a system in its name.
func named(path string) bool {
	base := path[strings.LastIndexAny(path, `/\`)+1:]
	return strings.HasPrefix(strings.ToLower(base), "agentbridge")
}

// hookOf reads the client and the event out of a hook's command line, if it is ours.
func hookOf(line string) (client, event string, ok bool) {
	before, after, found := strings.Cut(line, " hook ")
	if !found {
		return "", "", false
	}
	program, quoted := strings.Trim(before, ` "'`), strings.ContainsAny(before, `"'`)
	words := strings.Fields(after)
	if len(words) < 2 || !named(program) || !quoted && strings.Contains(program, " ") {
		return "", "", false
	}
	return words[0], words[1], true
}
