package mcpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
)

// golden compares got with a file in testdata, or writes the file with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s changed (-want +got); go test -update writes it anew:\n%s", path, d)
	}
}

// listed is a tool as clients get it.
type listed struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	InputSchema json.RawMessage `json:"inputSchema"`
}

func listTools(t *testing.T) (raw json.RawMessage, list []listed) {
	t.Helper()
	w := newWorld(t, Options{})
	_, b := w.agent(t, "beta")
	x := w.stdio(t, b).open()
	x.send(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	var answer struct {
		Result struct{ Tools json.RawMessage }
	}
	if err := json.Unmarshal([]byte(x.recv()), &answer); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(answer.Result.Tools, &list); err != nil {
		t.Fatal(err)
	}
	return answer.Result.Tools, list
}

func TestTools_LookAsRecorded(t *testing.T) {
	raw, _ := listTools(t)
	var indented bytes.Buffer
	if err := json.Indent(&indented, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	indented.WriteByte('\n')
	golden(t, "tools.json", indented.Bytes())
}

func TestTools_CostAModelLittle(t *testing.T) {
	_, list := listTools(t)
	seen, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	const budget = 5000 // the contract says 6,144 for the ten
	if len(seen) > budget {
		t.Errorf("names, descriptions and schemas of the tools are %d bytes, want at most %d", len(seen), budget)
	}
	if n := len(instructions); n > 1100 {
		t.Errorf("the instructions have %d characters, want at most 1100", n)
	}
	const tokens = 2000 // of 4 bytes: what all of it may cost
	if n := len(seen) + len(instructions); n > 4*tokens {
		t.Errorf("tools and instructions are %d bytes, want at most %d", n, 4*tokens)
	}
	t.Logf("%d bytes for %d tools, %d characters of instructions", len(seen), len(list), len(instructions))
}

// Schemas must mean the same to every client, so they keep to what all of them read.
func TestTools_SchemasArePortable(t *testing.T) {
	_, list := listTools(t)
	known := map[string]bool{
		"type": true, "description": true, "enum": true, "minimum": true, "maximum": true, "minItems": true, "maxItems": true, "items": true,
		"properties": true, "required": true, "additionalProperties": true,
	}
	var walk func(where string, v any)
	walk = func(where string, v any) {
		s, ok := v.(map[string]any)
		if !ok {
			t.Errorf("%s is no schema", where)
			return
		}
		if _, ok := s["type"].(string); !ok {
			t.Errorf("%s: type is %v, want one name", where, s["type"])
		}
		for word := range s {
			if !known[word] {
				t.Errorf("%s uses %s", where, word)
			}
		}
		if s["type"] == "object" && s["additionalProperties"] != false {
			t.Errorf("%s takes unknown arguments", where)
		}
		properties, _ := s["properties"].(map[string]any)
		for name, p := range properties {
			walk(where+"."+name, p)
		}
		if items, ok := s["items"]; ok {
			walk(where+"[]", items)
		}
	}
	for _, tool := range list {
		var s any
		if err := json.Unmarshal(tool.InputSchema, &s); err != nil {
			t.Fatal(err)
		}
		walk(tool.Name, s)
	}
}

func TestArguments_AreCheckedByName(t *testing.T) {
	w := newWorld(t, Options{})
	_, b := w.agent(t, "beta")
	x := w.stdio(t, b).open()
	for _, c := range []struct{ tool, arguments, message, hint string }{
		{"send", `{}`, `"message" is missing`, "action_type, conversation_id, files_involved, key, message, reply_to, to"},
		{"send", `{"message":null}`, `"message" is missing`, ""},
		{"send", `{"message":7}`, `"message" must be a text`, ""},
		{"send", `{"message":["a"]}`, `"message" must be a text`, ""},
		{"send", `{"message":"a","Message":"b"}`, `no argument "Message"`, "message"},
		{"send", `{"message":"a","to":"alpha"}`, `"to" must be a list`, ""},
		{"send", `{"message":"a","to":["alpha",1]}`, `"to[1]" must be a text`, ""},
		{"send", `{"message":"a","action_type":"order"}`, `"action_type" must be one of: question`, ""},
		{"send", `{"message":"a","files_involved":[` + strings.Repeat(`"f",`, 20) + `"f"]}`, `"files_involved" has 21 elements, and 20 are allowed`, ""},
		{"send", `{"message":"a","token":"x"}`, `no argument "token"`, "message"},
		{"send", `{"message":"a","ghp_` + strings.Repeat("a1B2c3", 6) + `":1}`, `no argument "[REDACTED`, ""},
		{"send", `[]`, "not an object", `{"message":"hello"}`},
		{"send", `"hello"`, "not an object", ""},
		{"check_messages", `{"wait_seconds":241}`, `"wait_seconds" must be from 0 to 240`, ""},
		{"check_messages", `{"wait_seconds":-1}`, `"wait_seconds" must be from 0 to 240`, ""},
		{"check_messages", `{"wait_seconds":1.5}`, `"wait_seconds" must be a whole number`, ""},
		{"check_messages", `{"wait_seconds":"9"}`, `"wait_seconds" must be a whole number`, ""},
		{"check_messages", `{"wait_seconds":1e300}`, `"wait_seconds" must be from 0 to 240`, ""},
		{"check_messages", `{"limit":0}`, `"limit" must be from 1 to 50`, ""},
		{"check_messages", `{"limit":51}`, `"limit" must be from 1 to 50`, ""},
		{"check_messages", `{"ack":"rcpt_nonsense"}`, "no receipt of this bridge", "ack"},
		{"check_partners", `{"name":"a"}`, `no argument "name"`, "the arguments are: conversation_id"},
		{"join_conversation", `{"code":true}`, `"code" must be a text`, ""},
		{"update_status", `{"status":"fine"}`, `"status" must be one of: working, waiting, blocked, complete`, ""},
		{"update_status", `{"note":"a"}`, `"status" is missing`, "conversation_id, note, status"},
		{"create_conversation", `{"partners":[]}`, `"partners" must have at least 1`, ""},
		{"create_conversation", `{"partners":[{"name":"b"}]}`, `"partners[0].role" is missing`, "name, rank, role"},
		{"create_conversation", `{"partners":[{"name":"b","role":"c","boss":true}]}`, `no argument "partners[0].boss"`, "name, rank, role"},
		{"create_conversation", `{"partners":[{"name":"b","role":"c","rank":"person"}]}`, `"partners[0].rank" must be one of: observer`, ""},
		{"create_conversation", `{"partners":["b"]}`, `"partners[0]" must be an object`, ""},
		{"create_conversation", `{"partners":[{"name":"b","role":"c"}],"ttl_minutes":0}`, `"ttl_minutes" must be from 1 to 43200`, ""},
		{"create_conversation", `{"partners":[{"name":"b c","role":"c"}]}`, "name is not valid", "A-Z"},
		{"add_task", `{"detail":"a"}`, `"title" is missing`, "after, assign_to, conversation_id, detail, files_involved, key, lease_minutes, priority, reassign, title"},
		{"add_task", `{"title":"a","lease_minutes":0}`, `"lease_minutes" must be from 1 to 1440`, ""},
		{"add_task", `{"title":"a","lease_minutes":525600}`, `"lease_minutes" must be from 1 to 1440`, ""},
		{"add_task", `{"title":"a","lease_minutes":"30"}`, `"lease_minutes" must be a whole number`, ""},
		{"add_task", `{"title":"a","priority":1e300}`, `"priority" is too large a number`, ""},
		{"add_task", `{"title":"a","priority":"high"}`, `"priority" must be a whole number`, ""},
		{"add_task", `{"title":"a","reassign":"no"}`, `"reassign" must be true or false`, ""},
		{"add_task", `{"title":"a","after":"task_0000000000000000"}`, `"after" must be a list`, ""},
		{"add_task", `{"title":"a","after":[` + strings.Repeat(`"t",`, 50) + `"t"]}`, `"after" has 51 elements, and 50 are allowed`, ""},
		{"claim_task", `{"wait_seconds":241}`, `"wait_seconds" must be from 0 to 240`, ""},
		{"claim_task", `{"title":"a"}`, `no argument "title"`, "conversation_id, task_id, wait_seconds"},
		{"update_task", `{"action":"renew"}`, `"task_id" is missing`, ""},
		{"update_task", `{"task_id":"t","action":"steal"}`, `"action" must be one of: renew, complete, fail, release, cancel, assign`, ""},
		{"update_task", `{"task_id":"t","action":"renew","lease_token":"1"}`, `"lease_token" must be a whole number`, ""},
		{"update_task", `{"task_id":"t","action":"renew","lease_token":1.5}`, `"lease_token" must be a whole number`, ""},
		{"list_tasks", `{"state":"lost"}`, `"state" must be one of: open, claimed, done, failed, cancelled`, ""},
		{"list_tasks", `{"limit":101}`, `"limit" must be from 1 to 100`, ""},
	} {
		r := x.call("1", c.tool, c.arguments)
		got := r.Result.Structured
		if !r.Result.IsError || got.Code != string(bridge.Invalid) || !strings.Contains(got.Message, c.message) || got.Hint == "" || !strings.Contains(got.Hint, c.hint) {
			t.Errorf("%s %s: %v %q %q (hint %q), want invalid, %q and a hint with %q", c.tool, c.arguments, r.Error, got.Code, got.Message, got.Hint, c.message, c.hint)
		}
		if len(r.Result.Content) != 1 || !strings.Contains(r.Result.Content[0].Text, got.Message) || !strings.Contains(r.Result.Content[0].Text, got.Hint) {
			t.Errorf("%s %s: the text is %v, want message and hint", c.tool, c.arguments, r.Result.Content)
		}
	}
	if r := x.call("1", "check_messages", `{"wait_seconds":0.0,"conversation_id":null,"limit":5e0}`); r.Result.IsError {
		t.Errorf("numbers written otherwise and null are refused: %+v", r.Result.Structured)
	}
	x.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"check_partners"}}`)
	if r := parse(t, x.recv()); r.Error != nil || r.Result.IsError {
		t.Errorf("arguments left out are refused: %+v", r)
	}
}

// Every result tells how many messages wait, and has lists where it has lists.
func TestResults_TellWhatIsUnread(t *testing.T) {
	w := newWorld(t, Options{})
	_, a := w.agent(t, "alpha")
	_, b := w.agent(t, "beta")
	w.meet(t, a, b)
	w.say(t, a, "one")
	w.say(t, a, "two")
	x := w.stdio(t, b).open()
	for _, c := range []struct {
		tool, arguments string
		unread          int
	}{
		{"send", `{"message":"hello"}`, 2},
		{"update_status", `{"status":"working"}`, 2},
		{"check_partners", `{}`, 2},
		{"check_messages", `{"limit":1}`, 1},
		{"check_messages", `{}`, 0},
		{"check_messages", `{}`, 0},
		{"check_partners", `{}`, 0},
	} {
		x.send(toolCall("1", c.tool, c.arguments))
		line := x.recv()
		if got := parse(t, line).Result.Structured.Unread; got == nil || *got != c.unread {
			t.Errorf("%s %s: %s, want unread %d", c.tool, c.arguments, line, c.unread)
		}
		if strings.Contains(line, ":null") && c.tool != "check_partners" {
			t.Errorf("%s gives null: %s", c.tool, line)
		}
	}
	create := x.call("1", "create_conversation", `{"partners":[{"name":"gamma","role":"r"}]}`)
	if create.Result.Structured.Unread == nil {
		t.Error("create_conversation does not tell what is unread")
	}
	_, g := w.agent(t, "gamma")
	y := w.stdio(t, g).open()
	if join := y.call("1", "join_conversation", `{}`); join.Result.Structured.Unread == nil {
		t.Errorf("join_conversation does not tell what is unread: %+v", join)
	}
}

// What goes wrong inside is for the log, and not for a model.
func TestErrors_KeepOurOwnToOurselves(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	_, b := w.agent(t, "beta")
	fails := tool{name: "fails", call: func(*Server, context.Context, *call) (result, error) {
		return result{}, errors.New("open /home/somebody/bridge.db: disk on fire")
	}}
	ctx := context.WithValue(t.Context(), exchangeKey{}, &exchange{caller: b, gone: t.Context()})
	res, err := w.server.callTool(ctx, &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{}}, fails, parseSchema(`{"type":"object"}`))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(res)
	if !res.IsError || !strings.Contains(string(text), `"code":"internal"`) || strings.Contains(string(text), "fire") {
		t.Errorf("a fault of ours is answered with %s", text)
	}
	if !strings.Contains(log.String(), "disk on fire") {
		t.Errorf("a fault of ours is not in the log: %s", log.String())
	}
}

func TestErrors_TellTheWayOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		_, a := w.agent(t, "alpha")
		_, b := w.agent(t, "beta")
		w.meet(t, a, b)
		x := w.stdio(t, b).open()
		for range 100 {
			x.call("1", "update_status", `{"status":"working"}`)
		}
		x.send(toolCall("1", "update_status", `{"status":"working"}`))
		if line := x.recv(); !strings.Contains(line, `"code":"rate_limited"`) || !strings.Contains(line, `"retry_after_seconds":60`) {
			t.Errorf("a call too many is answered with %s", line)
		}
		time.Sleep(4 * time.Hour)
		r := x.call("1", "check_messages", checkNow)
		if got := r.Result.Structured; got.Code != "expired" || !strings.Contains(got.Hint, "renew") {
			t.Errorf("a call with a token past its time: %+v", got)
		}
	})
}
