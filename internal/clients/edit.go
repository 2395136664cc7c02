package clients

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/tailscale/hujson"

	"agentbridge/internal/bridge"
)

// wish is what is to be in a client's settings.
type wish struct {
	name   string // the server's
	server command
	hook   func(Event) string // a hook's command line; nil: no hooks
}

// put gives a settings file's text with the wish in it. It is the same text if all of it was there.
func (f settings) put(text, base []byte, known bool, w wish) ([]byte, error) {
	mark, body := splitMark(text)
	tree, err := f.decode(body)
	if err != nil {
		return nil, err
	}
	if err := f.conflict(body, tree, w); err != nil {
		return nil, err
	}
	if f.holds(tree, w) {
		return text, nil
	}
	entry := f.keeping(body, tree, w)
	clean, err := f.remove(text, base, known, w.name, true)
	if err != nil {
		return nil, err
	}
	_, body = splitMark(clean)
	if f.servers != "" {
		if body, err = f.putServer(body, w, entry); err != nil {
			return nil, err
		}
	}
	if w.hook != nil {
		if body, err = f.putHooks(body, w); err != nil {
			return nil, err
		}
	}
	// What is about to be written is read once more, as the client will.
	if tree, err = f.decode(body); err != nil || !f.holds(tree, w) {
		return nil, errors.Join(bridge.Errorf(bridge.Internal, "%s: the change came out wrong and was not made", f.path), err)
	}
	return slices.Concat([]byte{}, mark, body), nil
}

// splitMark takes the byte order mark off a text.
func splitMark(text []byte) (mark, body []byte) {
	if bytes.HasPrefix(text, []byte(bom)) {
		return []byte(bom), text[len(bom):]
	}
	return nil, text
}

// keeping is the server's entry with what a person added to the one that is there: an environment with a token in it, a time-out.
func (f settings) keeping(body []byte, tree map[string]any, w wish) (entry object) {
	if f.servers == "" {
		return nil
	}
	entry = f.server(w.server)
	keep := func(key string, value any) {
		if key == "command" || key == "args" || key == "type" {
			return
		}
		if i := slices.IndexFunc(entry, func(m member) bool { return m.key == key }); i >= 0 {
			entry[i].value = value
			return
		}
		entry = append(entry, member{key, value})
	}
	old, _ := servers(tree, f.servers)[w.name].(map[string]any)
	if f.toml {
		for _, key := range sortedKeys(old) {
			keep(key, old[key])
		}
		return entry
	}
	if root, err := parseJSON(body); err == nil && root != nil && old != nil {
		for _, it := range itemsOf(at(root, f.servers, w.name)) {
			keep(it.key, rawJSON(body[it.value.StartOffset:it.value.EndOffset]))
		}
	}
	return entry
}

func (f settings) putServer(body []byte, w wish, entry object) ([]byte, error) {
	if !f.toml {
		return put(body, []string{f.servers}, false, w.name, entry)
	}
	out := addTOML(body, []string{f.servers, w.name}, entry)
	before, after := map[string]any{}, map[string]any{}
	if _, err := toml.Decode(string(body), &before); err != nil {
		return nil, notUnderstood(f.path, err)
	}
	// The decoder lets an inline table be added to; TOML 1.0 and Codex do not.
	if _, err := toml.Decode(string(out), &after); err != nil || inlineTOML(body, f.servers) {
		return nil, bridge.Errorf(bridge.Invalid, "%s: %s is written in a form that no table can be added to", f.path, f.servers).
			WithHint("write its servers as [%s.NAME] tables, and do the same again", f.servers)
	}
	if table, _ := after[f.servers].(map[string]any); table != nil {
		delete(table, w.name)
		if _, had := before[f.servers]; !had && len(table) == 0 {
			delete(after, f.servers)
		}
	}
	// Not DeepEqual alone: a number that is none is not equal to itself.
	if !reflect.DeepEqual(before, after) && fmt.Sprintf("%#v", before) != fmt.Sprintf("%#v", after) {
		return nil, bridge.Errorf(bridge.Internal, "%s: the change came out wrong and was not made", f.path)
	}
	return out, nil
}

func (f settings) putHooks(body []byte, w wish) (_ []byte, err error) {
	if len(f.hooks) == 0 {
		return body, nil
	}
	for _, m := range f.preface {
		root, err := parseJSON(body)
		if err != nil {
			return nil, err
		}
		if root == nil || len(itemsOf(root)) == 0 {
			if body, err = put(body, nil, false, m.key, m.value); err != nil {
				return nil, err
			}
		}
	}
	for _, m := range f.hooks {
		entry := f.entry(m, w.hook(m.ours))
		if !f.flat {
			entry = object{{"hooks", []any{entry}}}
		}
		if body, err = put(body, []string{"hooks", m.event}, true, "", entry); err != nil {
			return nil, err
		}
	}
	return body, nil
}

// holds reports whether a wish is in place already; the person may have added to it.
func (f settings) holds(tree map[string]any, w wish) bool {
	if f.servers != "" {
		got, _ := startOf(servers(tree, f.servers)[w.name])
		if got.path != w.server.path || !slices.Equal(got.args, w.server.args) {
			return false
		}
	}
	var want, have []string
	for _, h := range f.hooksIn(tree) {
		have = append(have, h.Event+" "+h.Command)
	}
	if w.hook != nil {
		for _, m := range f.hooks {
			for _, part := range f.entry(m, w.hook(m.ours)) {
				if part.key == "command" {
					want = append(want, m.event+" "+part.value.(string))
				}
			}
		}
	}
	slices.Sort(want)
	slices.Sort(have)
	return slices.Equal(want, have)
}

// conflict refuses a file in which ours has no place.
func (f settings) conflict(body []byte, tree map[string]any, w wish) error {
	if table, ok := tree[f.servers]; ok && f.servers != "" {
		m, ok := table.(map[string]any)
		if !ok {
			return f.misshapen(body, f.servers, "a table of servers")
		}
		if server, taken := m[w.name]; taken {
			if c, _ := startOf(server); !c.ours() {
				return bridge.Errorf(bridge.Conflict, "%s: it has a server %q already, and that is not agentbridge", f.path, w.name).
					WithHint("give ours another name with --name, or remove the other one first")
			}
		}
	}
	if f.toml {
		return nil
	}
	if err := f.ambiguous(body, w); err != nil || len(f.hooks) == 0 || w.hook == nil || tree["hooks"] == nil && !hasKey(tree, "hooks") {
		return err
	}
	events, ok := tree["hooks"].(map[string]any)
	if !ok {
		return f.misshapen(body, "hooks", "an object of events")
	}
	for _, m := range f.hooks {
		if v, there := events[m.event]; there {
			if _, ok := v.([]any); !ok {
				return f.misshapen(body, "hooks", "an object whose events are lists: "+m.event+" is none")
			}
		}
	}
	return nil
}

func hasKey(tree map[string]any, key string) bool { _, ok := tree[key]; return ok }

func (f settings) misshapen(body []byte, key, want string) error {
	where := ""
	if !f.toml {
		if root, err := parseJSON(body); err == nil && at(root, key) != nil {
			where = fmt.Sprintf("line %d: ", lineOf(body, at(root, key).StartOffset))
		}
	}
	return bridge.Errorf(bridge.Invalid, "%s: %s%s is not %s", f.path, where, key, want).WithHint("mend the file, and do the same again")
}

// ambiguous refuses a file in which a name on our way is there twice: programs differ in which one counts.
func (f settings) ambiguous(body []byte, w wish) error {
	root, err := parseJSON(body)
	if err != nil || root == nil {
		return err
	}
	ways := [][]string{{f.servers, w.name}}
	for _, m := range f.hooks {
		ways = append(ways, []string{"hooks", m.event})
	}
	for _, way := range ways {
		for v, rest := root, way; v != nil && len(rest) > 0; v, rest = at(v, rest[0]), rest[1:] {
			if v.Value.Kind() != '{' {
				break
			}
			seen := 0
			for _, it := range itemsOf(v) {
				if it.key != rest[0] {
					continue
				}
				if seen++; seen > 1 {
					return bridge.Errorf(bridge.Invalid, "%s: line %d: %q is there twice", f.path, lineOf(body, it.start), rest[0]).
						WithHint("make one of the two, and do the same again")
				}
			}
		}
	}
	return nil
}

// remove gives a settings file's text without ours: the server of that name, if it is ours, and our hooks. Everything else keeps its
// bytes. base is the text as it was before an install, if that is known; what was empty or not there then is so again.
func (f settings) remove(text, base []byte, known bool, name string, hooks bool) ([]byte, error) {
	mark, body := splitMark(text)
	_, base = splitMark(base)
	tree, err := f.decode(body)
	if err != nil {
		return nil, err
	}
	server := false
	if f.servers != "" {
		c, _ := startOf(servers(tree, f.servers)[name])
		server = c.ours()
	}
	if f.toml {
		if server {
			out, found := cutTOML(body, base, []string{f.servers, name})
			after, err := f.decode(out)
			if !found || err != nil || servers(after, f.servers)[name] != nil {
				return nil, bridge.Errorf(bridge.Invalid, "%s: the server %q is not a table of its own", f.path, name).WithHint("delete it by hand")
			}
			body = out
		}
		return append(append([]byte{}, mark...), body...), nil // never nil, which is no file
	}
	var baseRoot *hujson.Value
	if known {
		if baseRoot, err = parseJSON(base); err != nil || baseRoot == nil {
			base = []byte("{}")
			baseRoot, _ = parseJSON(base)
		}
	}
	prunes := func(body []byte, path ...string) ([]byte, error) {
		if !known {
			return body, nil
		}
		return prune(body, baseRoot, base, path)
	}
	if server {
		root, err := parseJSON(body)
		if err != nil {
			return nil, err
		}
		table := at(root, f.servers)
		i := slices.IndexFunc(itemsOf(table), func(it item) bool { return it.key == name })
		if body, err = prunes(cut(body, table, i), f.servers); err != nil {
			return nil, err
		}
	}
	for hooks && len(f.hooks) > 0 {
		root, err := parseJSON(body)
		if err != nil {
			return nil, err
		}
		path, container, i := f.nextHook(root)
		if container == nil {
			break
		}
		if body, err = prunes(cut(body, container, i), path...); err != nil {
			return nil, err
		}
	}
	for _, m := range f.preface {
		root, err := parseJSON(body)
		if err != nil {
			return nil, err
		}
		if root != nil && known && at(baseRoot, m.key) == nil && len(itemsOf(root)) == 1 && fmt.Sprint(plain(at(root, m.key))) == fmt.Sprint(m.value) {
			if body, err = prunes(cut(body, root, 0)); err != nil {
				return nil, err
			}
		}
	}
	return append(append([]byte{}, mark...), body...), nil // never nil, which is no file
}

// nextHook finds a hook of ours: the path of the container that it is in, and its place there. A group that holds nothing else is taken
// for the hook.
func (f settings) nextHook(root *hujson.Value) (path []string, container *hujson.Value, i int) {
	events := at(root, "hooks")
	if events == nil || events.Value.Kind() != '{' {
		return nil, nil, 0
	}
	mine := func(v *hujson.Value) bool {
		m, _ := plain(v).(map[string]any)
		line, _ := m["command"].(string)
		_, _, ok := hookOf(line)
		return ok
	}
	for _, event := range itemsOf(events) {
		if event.value.Value.Kind() != '[' {
			continue
		}
		for i, group := range itemsOf(event.value) {
			if f.flat {
				if mine(group.value) {
					return []string{"hooks", event.key}, event.value, i
				}
				continue
			}
			list := at(group.value, "hooks")
			if list == nil || list.Value.Kind() != '[' {
				continue
			}
			all := itemsOf(list)
			ours := slices.IndexFunc(all, func(it item) bool { return mine(it.value) })
			switch {
			case ours < 0:
			case !slices.ContainsFunc(all, func(it item) bool { return !mine(it.value) }):
				return []string{"hooks", event.key}, event.value, i
			default:
				return []string{"hooks", event.key, place(i), "hooks"}, list, ours
			}
		}
	}
	return nil, nil, 0
}

// vacant reports whether a text says nothing: it is empty, or an empty object.
func (f settings) vacant(text []byte) bool {
	_, body := splitMark(text)
	if f.toml || len(bytes.TrimSpace(body)) == 0 {
		return len(bytes.TrimSpace(body)) == 0
	}
	return strings.Join(strings.Fields(string(body)), "") == "{}"
}
