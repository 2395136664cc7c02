package clients

import (
	"errors"
	"io/fs"
	"runtime"

	"github.com/BurntSushi/toml"
	"github.com/tailscale/hujson"

	"agentbridge/internal/bridge"
)

// Installation is an agentbridge in a client's settings, whoever put it there.
type Installation struct {
	Client  string // as in [Client.Name]
	Scope   Scope
	File    string // where the server is; empty if there are only hooks
	Name    string // the server's
	Command string
	Args    []string
	Env     map[string]string
	Hooks   []InstalledHook // of the same client and scope
}

// InstalledHook is a hook of ours in a client's settings.
type InstalledHook struct {
	Event   string // the client's name for it
	Command string // a line for a shell
	File    string
}

// Find lists every agentbridge in the settings of all clients, for the user with that home directory and for the project in dir. What
// could not be read or understood is told beside it: such a file may hold one, too.
func Find(home, dir string, getenv func(string) string) ([]Installation, []error) {
	var all []Installation
	var faults []error
	p := Place{Home: home, Dir: dir, OS: runtime.GOOS, Getenv: getenv}
	for _, c := range All {
		for _, scope := range []Scope{User, Project} {
			found, errs := c.find(p, scope)
			all, faults = append(all, found...), append(faults, errs...)
		}
	}
	return all, faults
}

func (c Client) find(p Place, scope Scope) (found []Installation, faults []error) {
	var hooks []InstalledHook
	for _, f := range c.files(p, scope) {
		if c.everywhere(p, scope, f) {
			continue
		}
		text, err := readSettings(f.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var tree map[string]any
		if err == nil {
			tree, err = f.decode(text)
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		for _, table := range []map[string]any{servers(tree, f.servers), within(tree, f.local)} {
			for _, name := range sortedKeys(table) {
				if cmd, env := startOf(table[name]); cmd.ours() {
					found = append(found, Installation{Client: c.Name, Scope: scope, File: f.path, Name: name, Command: cmd.path, Args: cmd.args, Env: env})
				}
			}
		}
		hooks = append(hooks, f.hooksIn(tree)...)
	}
	if len(found) == 0 && len(hooks) > 0 {
		found = []Installation{{Client: c.Name, Scope: scope}}
	}
	for i := range found {
		found[i].Hooks = hooks
	}
	return found, faults
}

// decode reads a settings file. An empty one is an empty table.
func (f settings) decode(text []byte) (map[string]any, error) {
	tree := map[string]any{}
	if f.toml {
		if _, err := scanTOML(text); err != nil {
			return nil, notUnderstood(f.path, err)
		}
		if _, err := toml.Decode(string(text), &tree); err != nil {
			return nil, notUnderstood(f.path, err)
		}
		return tree, nil
	}
	root, err := parseJSON(text)
	if err != nil {
		return nil, notUnderstood(f.path, err)
	}
	if root == nil {
		return tree, nil
	}
	tree, _ = plain(root).(map[string]any)
	return tree, nil
}

func notUnderstood(path string, err error) error {
	return bridge.Errorf(bridge.Invalid, "%s: %w", path, err).WithHint("mend the file; nothing was changed in it")
}

// plain is a JSON value without its form. Of members with the same name the last counts, as for the clients.
func plain(v *hujson.Value) any {
	if v == nil {
		return nil
	}
	switch v := v.Value.(type) {
	case *hujson.Object:
		m := map[string]any{}
		for i := range v.Members {
			m[nameOf(&v.Members[i])] = plain(&v.Members[i].Value)
		}
		return m
	case *hujson.Array:
		list := []any{}
		for i := range v.Elements {
			list = append(list, plain(&v.Elements[i]))
		}
		return list
	case hujson.Literal:
		switch v.Kind() {
		case '"':
			return v.String()
		case 't', 'f':
			return v.Bool()
		case '0':
			return string(v)
		}
	}
	return nil
}

func servers(tree map[string]any, key string) map[string]any {
	if key == "" {
		return nil
	}
	m, _ := tree[key].(map[string]any)
	return m
}

// within is the table under a path; nil where there is none.
func within(tree map[string]any, path []string) map[string]any {
	if len(path) == 0 {
		return nil
	}
	for _, key := range path {
		tree, _ = tree[key].(map[string]any)
	}
	return tree
}

// startOf reads how a client starts a server.
func startOf(server any) (c command, env map[string]string) {
	m, _ := server.(map[string]any)
	c.path, _ = m["command"].(string)
	list, _ := m["args"].([]any)
	for _, arg := range list {
		if s, ok := arg.(string); ok {
			c.args = append(c.args, s)
		}
	}
	vars, _ := m["env"].(map[string]any)
	for key, value := range vars {
		if s, ok := value.(string); ok {
			if env == nil {
				env = map[string]string{}
			}
			env[key] = s
		}
	}
	return c, env
}

// hooksIn lists our hooks in a settings file, in the file's order of each event.
func (f settings) hooksIn(tree map[string]any) (found []InstalledHook) {
	if len(f.hooks) == 0 {
		return nil
	}
	events, _ := tree["hooks"].(map[string]any)
	for _, event := range sortedKeys(events) {
		groups, _ := events[event].([]any)
		for _, group := range groups {
			m, _ := group.(map[string]any)
			list := []any{group}
			if !f.flat {
				list, _ = m["hooks"].([]any)
			}
			for _, hook := range list {
				m, _ := hook.(map[string]any)
				line, _ := m["command"].(string)
				if _, _, ok := hookOf(line); ok {
					found = append(found, InstalledHook{Event: event, Command: line, File: f.path})
				}
			}
		}
	}
	return found
}
