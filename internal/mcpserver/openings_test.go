package mcpserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestOpenings replays what real clients said when they connected, as `make clients` captured it. Every request gets its answer, in the
// generation of the protocol that the client opened in, and a tool can be called after it.
func TestOpenings(t *testing.T) {
	files, err := filepath.Glob("testdata/openings/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no openings: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".jsonl"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			o := parseOpening(t, string(text))
			w := newWorld(t, Options{})
			_, c := w.agent(t, "agent")
			x := w.stdio(t, c)
			var meta json.RawMessage
			for _, line := range o.lines {
				sent := asked{}
				if err := json.Unmarshal([]byte(line), &sent); err != nil {
					t.Fatal(err)
				}
				x.send(line)
				if sent.Method == "subscriptions/listen" { // it goes on, and begins with a word
					if got := x.recv(); !strings.Contains(got, `"method":"notifications/subscriptions/acknowledged"`) {
						t.Errorf("%s of %s is answered %s", sent.Method, o.client, got)
					}
				} else if sent.ID != nil {
					o.check(t, sent, x.recv())
				}
				if o.modern() {
					meta = sent.Params.Meta
				}
			}
			params := map[string]any{"name": "check_partners", "arguments": map[string]any{}}
			if meta != nil {
				params["_meta"] = meta
			}
			call, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": "replayed", "method": "tools/call", "params": params})
			if err != nil {
				t.Fatal(err)
			}
			x.send(string(call))
			o.check(t, asked{ID: json.RawMessage(`"replayed"`), Method: "tools/call"}, x.recv())
		})
	}
}

// opening is what one version of a client says first.
type opening struct {
	client, era, command string
	lines                []string
}

var openingHead = regexp.MustCompile(`\A# client: (\w.* \d+\.\d+\.\d+)\n# era: (\d{4}-\d\d-\d\d)\n# captured by: (\S.*)\n`)

func parseOpening(t *testing.T, text string) (o opening) {
	t.Helper()
	head := openingHead.FindStringSubmatch(text)
	if head == nil {
		t.Fatal("it does not begin with the client and its version, the era, and the command that captured it")
	}
	o.client, o.era, o.command = head[1], head[2], head[3]
	o.lines = strings.Split(strings.TrimSpace(text[len(head[0]):]), "\n")
	return o
}

func (o opening) modern() bool { return o.era >= "2026-07-28" }

// asked is a request, or a notification, which has no id.
type asked struct {
	ID     json.RawMessage
	Method string
	Params struct {
		Meta json.RawMessage `json:"_meta"`
	}
}

// check reads the answer to one request as the client would.
func (o opening) check(t *testing.T, sent asked, line string) {
	t.Helper()
	var got struct {
		ID     json.RawMessage
		Error  json.RawMessage
		Result struct {
			ResultType        string
			ProtocolVersion   string
			SupportedVersions []string
			Instructions      string
			Capabilities      struct{ Tools, Resources any }
			IsError           bool
			Tools             []struct {
				Name        string
				InputSchema struct{ Type string }
			}
			Resources, ResourceTemplates []any
			StructuredContent            any
			CacheScope                   string
		}
	}
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.ID, sent.ID) || got.Error != nil || got.Result.IsError {
		t.Fatalf("%s of %s is answered %s", sent.Method, o.client, line)
	}
	r := got.Result
	wantType := ""
	if o.modern() {
		wantType = "complete"
	}
	var fault string
	switch sent.Method {
	case "initialize":
		if r.ProtocolVersion != o.era || o.modern() {
			fault = fmt.Sprintf("version %q", r.ProtocolVersion)
		}
	case "server/discover":
		if !slices.Contains(r.SupportedVersions, o.era) || !o.modern() {
			fault = fmt.Sprintf("versions %q", r.SupportedVersions)
		}
	case "tools/list":
		if len(r.Tools) != 10 {
			fault = fmt.Sprintf("%d tools", len(r.Tools))
		}
		for _, tool := range r.Tools {
			if tool.Name == "" || tool.InputSchema.Type != "object" {
				fault = fmt.Sprintf("tool %+v", tool)
			}
		}
	case "resources/list":
		if r.Resources == nil {
			fault = "no list"
		}
	case "resources/templates/list":
		if r.ResourceTemplates == nil {
			fault = "no list"
		}
	case "tools/call":
		if r.StructuredContent == nil {
			fault = "no structured content"
		}
	case "ping":
	default:
		t.Errorf("the test does not know how %s is answered", sent.Method)
	}
	if slices.Contains([]string{"initialize", "server/discover"}, sent.Method) && (r.Instructions == "" || r.Capabilities.Tools == nil) {
		fault = "no instructions or tools"
	}
	if strings.HasSuffix(sent.Method, "/list") && o.modern() && r.CacheScope != "private" {
		fault = fmt.Sprintf("cache scope %q", r.CacheScope)
	}
	if fault != "" || r.ResultType != wantType {
		t.Errorf("%s in %s: %s, result type %q, in %s", sent.Method, o.era, fault, r.ResultType, line)
	}
}
