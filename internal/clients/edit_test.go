package clients

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// aWish is an installation as a person makes it.
func aWish() wish {
	return wish{
		name: "bridge", server: command{"/opt/bin/agentbridge", []string{"mcp"}},
		hook: func(e Event) string { return "/opt/bin/agentbridge hook claude " + string(e) },
	}
}

var (
	nowhere   = Place{Home: "/h", Dir: "/d", Getenv: func(string) string { return "" }}
	mcpFile   = settings{path: "mcp.json", servers: "mcpServers", server: plainServer}
	bothFile  = gemini.files(nowhere, User)[0]
	hooksFile = settings{path: "hooks.json", entry: secondsHook, hooks: []moment{{"Stop", TurnEnd}, {"SessionStart", SessionStart}}}
	flatFile  = cursor.files(nowhere, User)[1]
	tomlFile  = codex.files(nowhere, User)[0]
)

// jsonTexts are settings as people and programs write them.
var jsonTexts = map[string]string{
	"absent":             "",
	"space":              "\n",
	"empty object":       "{}",
	"empty, newline":     "{}\n",
	"empty, lines":       "{\n}\n",
	"empty, comment":     "{\n  // nothing yet\n}\n",
	"empty, one line":    "{ /* nothing yet */ }",
	"plain":              "{\n  \"theme\": \"dark\"\n}\n",
	"tabs":               "{\n\t\"theme\": \"dark\"\n}\n",
	"CRLF":               "{\r\n  \"theme\": \"dark\" // mine\r\n}\r\n",
	"BOM":                bom + "{\n  \"theme\": \"dark\"\n}\n",
	"trailing comma":     "{\n  \"theme\": \"dark\", // mine\n}\n",
	"comment at the end": "{\n  \"theme\": \"dark\" // mine\n  // bye\n}\n",
	"block at the end":   "{\n  \"theme\": \"dark\" /* mine */   \n}\n",
	"minified":           `{"theme":"dark","n":1}`,
	"one line":           `{ "theme": "dark", "n": 1 }`,
	"one line, comma":    `{ "theme": "dark", }`,
	"line comment":       "{\"theme\": \"dark\" // mine\n}",
	"brace on its line":  "{\n  \"theme\": \"dark\"}",
	"servers, empty":     "{\n  \"mcpServers\": {},\n  \"theme\": \"dark\"\n}\n",
	"servers, space":     "{\n  \"mcpServers\": { },\n  \"theme\": \"dark\"\n}\n",
	"servers, comment":   "{\n  \"mcpServers\": {\n    // mine go here\n  },\n}\n",
	"servers":            "// head\n{\n  \"mcpServers\": {\n    \"x\": {\"command\": \"x\"}\n  } // tail\n}\n// foot",
	"servers, minified":  `{"mcpServers":{"x":{"command":"x"}}}`,
	"servers, nested":    "{\n    \"mcpServers\": {\n        \"x\": {\n            \"command\": \"x\",\n        },\n    },\n}\n",
	"others' hooks":      "{\n  \"hooks\": {\n    \"Stop\": [\n      {\"hooks\": [{\"type\": \"command\", \"command\": \"say done\"}]}\n    ],\n    \"AfterAgent\": [], \"stop\": [{\"command\": \"say\"}]\n  }\n}\n",
}

var tomlTexts = []string{
	"", "\n", "a = 1", "a = 1\n", "a = 1\r\nb = 2\r\n", "# mine\n[mcp_servers.x]\ncommand = \"x\" # tail\n\n# foot\n",
	"m = \"\"\"\n[mcp_servers.bridge]\n\"\"\"\n", "[a]\nb = [\n  1, # one\n  2,\n]", "mcp_servers.x.command = 'x'\n", bom + "a = 1\n", "[[a]]\n\n\n",
}

func TestSettings_WhatIsPutInComesOutByteForByte(t *testing.T) {
	for name, text := range jsonTexts {
		for _, f := range []settings{mcpFile, bothFile, hooksFile, flatFile} {
			roundTrip(t, f, name, text)
		}
	}
	for _, text := range tomlTexts {
		roundTrip(t, tomlFile, "toml", text)
	}
}

func roundTrip(t *testing.T, f settings, name, text string) {
	t.Helper()
	w := aWish()
	in, err := f.put([]byte(text), nil, false, w)
	if err != nil {
		t.Errorf("%s, %s: %v", f.path, name, err)
		return
	}
	again, err := f.put(in, []byte(text), true, w)
	if err != nil || string(again) != string(in) {
		t.Errorf("%s, %s: a second time it comes out as %q, %v", f.path, name, again, err)
	}
	out, err := f.remove(in, []byte(text), true, w.name, true)
	if err != nil {
		t.Errorf("%s, %s: %v", f.path, name, err)
	}
	if f.vacant(out) && f.vacant([]byte(text)) {
		return
	}
	if diff := cmp.Diff(text, string(out)); diff != "" {
		t.Errorf("%s, %s: (-was +is)\n%s\ninstalled:\n%s", f.path, name, diff, in)
	}
}

func TestSettings_AreWrittenAsTheirOwnersWriteThem(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "{\n  \"mcpServers\": {\n    \"bridge\": {\n      \"command\": \"/opt/bin/agentbridge\",\n      \"args\": [\"mcp\"]\n    }\n  }\n}\n"},
		{`{"a":1}`, `{"a":1,"mcpServers":{"bridge":{"command":"/opt/bin/agentbridge","args":["mcp"]}}}`},
		{"{\n\t\"a\": 1, // one\n}", "{\n\t\"a\": 1, // one\n\t\"mcpServers\": {\n\t\t\"bridge\": {\n\t\t\t\"command\": \"/opt/bin/agentbridge\",\n\t\t\t\"args\": [\"mcp\"]\n\t\t}\n\t},\n}"},
	} {
		out, err := mcpFile.put([]byte(c.text), nil, false, aWish())
		if diff := cmp.Diff(c.want, string(out)); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got)\n%s", c.text, err, strings.TrimSpace(diff))
		}
	}
}

// Claude Code keeps what it remembers of every project in one file, on one line or on many.
func TestSettings_HugeFilesAreEditedInOneGo(t *testing.T) {
	for _, between := range []string{",", ",\n  "} {
		var b strings.Builder
		b.WriteString("{")
		for i := range 10_000 {
			b.WriteString(pick(i == 0, strings.TrimPrefix(between, ","), between))
			b.WriteString(`"k` + place(i) + `":"a value of some length"`)
		}
		b.WriteString("}")
		roundTrip(t, bothFile, "huge", b.String())
	}
	roundTrip(t, tomlFile, "huge", strings.Repeat("# a comment of some length, to make the file long\n", 10_000))
}

// What install writes into hooks is what the hook command understands.
func TestClients_HooksAreThoseThatAreUnderstood(t *testing.T) {
	for _, c := range All {
		for _, f := range c.files(nowhere, User) {
			for _, m := range f.hooks {
				h, err := ParseHook(c.Name, string(m.ours))
				if err != nil || m.ours != Idle && h.format.names[m.event] != m.ours {
					t.Errorf("%s, %s, %s: %v, %v", c.Name, m.event, m.ours, h, err)
				}
				line := aWish().hook(m.ours)
				if _, event, ok := hookOf(line); !ok || event != string(m.ours) {
					t.Errorf("%q is not taken for ours", line)
				}
			}
		}
	}
}

func TestHookOf_KnowsOursAndNoOthers(t *testing.T) {
	for line, ours := range map[string]bool{
		"agentbridge hook claude idle":                                true,
		"/opt/my tools/agentbridge hook claude idle":                  false,
		"'/opt/my tools/agentbridge' hook claude idle":                true,
		`"C:\Program Files\agentbridge.exe" hook codex turn-end`:      true,
		"/opt/agentbridge-1.2-linux hook gemini prompt --as reviewer": true,
		"other hook claude idle":                                      false,
		"agentbridge hook":                                            false,
		"agentbridge check":                                           false,
		"":                                                            false,
		"cat agentbridge; other hook a b":                             false,
	} {
		if _, _, ok := hookOf(line); ok != ours {
			t.Errorf("%q: ours is %v, want %v", line, ok, ours)
		}
	}
}
