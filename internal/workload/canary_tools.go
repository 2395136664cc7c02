package workload

import (
	"encoding/json"
	"fmt"
	"strings"

	"agentbridge/internal/bridge"
)

// toolDoor is an argument of a tool that a secret can be put into.
type toolDoor struct {
	name   string
	shapes []Shape
	call   func(n *nest, text string) (tool string, arguments map[string]any)
}

// args are a tool's arguments in the conversation, over what is always needed.
func (n *nest) args(more ...any) map[string]any {
	a := map[string]any{"conversation_id": n.conversation}
	for i := 0; i < len(more); i += 2 {
		a[more[i].(string)] = more[i+1]
	}
	return a
}

// toolDoors are all arguments of all tools that are texts, and what is around them.
func toolDoors() []toolDoor {
	in := func(name, tool, argument string, more ...any) toolDoor {
		return toolDoor{name, Shapes, func(n *nest, text string) (string, map[string]any) {
			return tool, n.args(append([]any{argument, text}, more...)...)
		}}
	}
	list := func(name, tool, argument string, more ...any) toolDoor {
		return toolDoor{name, Shapes, func(n *nest, text string) (string, map[string]any) {
			return tool, n.args(append([]any{argument, []any{text}}, more...)...)
		}}
	}
	// create is of a new conversation, so it names none.
	create := func(name string, change func(a, partner map[string]any, text string)) toolDoor {
		return toolDoor{name, Shapes, func(_ *nest, text string) (string, map[string]any) {
			partner := map[string]any{"name": "delta", "role": "partner"}
			a := map[string]any{"role": "lead", "partners": []any{partner}}
			change(a, partner, text)
			return "create_conversation", a
		}}
	}
	// held is of a task that the planter holds.
	held := func(name, action string) toolDoor {
		return toolDoor{name, Shapes, func(n *nest, text string) (string, map[string]any) {
			task, token := n.hold()
			return "update_task", n.args("task_id", task, "lease_token", token, "action", action, "result", text)
		}}
	}
	doors := []toolDoor{
		in("send message", "send", "message"), in("send reply_to", "send", "reply_to", "message", "hello"),
		in("send key", "send", "key", "message", "hello"), in("send action_type", "send", "action_type", "message", "hello"),
		list("send to", "send", "to", "message", "hello"), list("send files_involved", "send", "files_involved", "message", "hello"),
		create("create role", func(a, _ map[string]any, text string) { a["role"] = text }),
		create("create title", func(a, _ map[string]any, text string) { a["title"] = text }),
		create("create name", func(a, _ map[string]any, text string) { a["name"] = text }),
		create("create partner's name", func(_, p map[string]any, text string) { p["name"] = text }),
		create("create partner's role", func(_, p map[string]any, text string) { p["role"] = text }),
		create("create partner's rank", func(_, p map[string]any, text string) { p["rank"] = text }),
		create("create ttl_minutes", func(a, _ map[string]any, text string) { a["ttl_minutes"] = text }),
		create("create unknown argument of a partner", func(_, p map[string]any, text string) { p[text] = text }),
		in("join code", "join_conversation", "code"),
		in("check ack", "check_messages", "ack"), in("check wait_seconds", "check_messages", "wait_seconds"),
		in("status status", "update_status", "status"), in("status note", "update_status", "note", "status", "working"),
		in("add_task title", "add_task", "title"), in("add_task detail", "add_task", "detail", "title", "work"),
		list("add_task files_involved", "add_task", "files_involved", "title", "work"), list("add_task after", "add_task", "after", "title", "work"),
		in("add_task assign_to", "add_task", "assign_to", "title", "work"), in("add_task key", "add_task", "key", "title", "work"),
		in("add_task priority", "add_task", "priority", "title", "work"),
		in("claim task_id", "claim_task", "task_id"),
		in("update_task task_id", "update_task", "task_id", "action", "renew"), in("update_task action", "update_task", "action", "task_id", "t"),
		in("update_task assign_to", "update_task", "assign_to", "task_id", "t", "action", "assign"),
		held("complete result", "complete"), held("fail result", "fail"), held("release result", "release"),
		in("list_tasks state", "list_tasks", "state"), in("list_tasks cursor", "list_tasks", "cursor"),
		in("send unknown argument's value", "send", "colour", "message", "hello"),
		{"send unknown argument's name", Shapes, func(n *nest, text string) (string, map[string]any) {
			return "send", n.args(text, 1, "message", "hello")
		}},
		{"unknown tool", Shapes, func(n *nest, text string) (string, map[string]any) { return text, n.args() }},
		{"send message of a wrong type", Shapes, func(n *nest, text string) (string, map[string]any) {
			return "send", n.args("message", map[string]any{text: text})
		}},
	}
	for _, tool := range []string{"send", "check_messages", "check_partners", "claim_task", "list_tasks", "update_status", "add_task", "join_conversation"} {
		doors = append(doors, toolDoor{tool + " conversation_id", Shapes, func(_ *nest, text string) (string, map[string]any) {
			return tool, map[string]any{"conversation_id": text, "message": "hello", "status": "working", "title": "work"}
		}})
	}
	return doors
}

// hold gives a task that the planter holds.
func (n *nest) hold() (bridge.TaskID, int64) {
	var added bridge.AddTaskResult
	var claimed bridge.ClaimTaskResult
	n.fault("add a task", n.alpha.call("add_task", n.args("title", "work"), &added))
	n.fault("claim a task", n.alpha.call("claim_task", n.args("task_id", added.Task), &claimed))
	return added.Task, claimed.LeaseToken
}

// plantInTools puts secrets into every argument of every tool.
func (n *nest) plantInTools() error {
	for _, d := range toolDoors() {
		for _, shape := range d.shapes {
			tool, arguments := d.call(n, n.canaries.Plant(d.name, shape))
			if err := n.alpha.call(tool, arguments, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// plantInProtocol puts secrets into what is around the tools.
func (n *nest) plantInProtocol() error {
	quoted := func(door string, shape Shape) string {
		text, _ := json.Marshal(n.canaries.Plant(door, shape))
		return string(text)
	}
	lines := []struct{ door, line string }{
		{"method", `{"jsonrpc":"2.0","id":"a","method":%s}`},
		{"method with parameters of a wrong type", `{"jsonrpc":"2.0","id":"a","method":"tools/call","params":%s}`},
		{"tool name of a wrong type", `{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":{"x":%s}}}`},
		{"arguments of a wrong type", `{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"send","arguments":%s}}`},
		{"name of a parameter", `{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{%s:1}}`},
		{"resource uri", `{"jsonrpc":"2.0","id":"a","method":"resources/read","params":{"uri":%s}}`},
		{"resource to follow", `{"jsonrpc":"2.0","id":"a","method":"resources/subscribe","params":{"uri":%s}}`},
		{"prompt", `{"jsonrpc":"2.0","id":"a","method":"prompts/get","params":{"name":%s}}`},
		{"log level", `{"jsonrpc":"2.0","id":"a","method":"logging/setLevel","params":{"level":%s}}`},
		{"cursor of a list", `{"jsonrpc":"2.0","id":"a","method":"tools/list","params":{"cursor":%s}}`},
		{"protocol version in a request", `{"jsonrpc":"2.0","id":"a","method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":%s}}}`},
		{"client in a request", `{"jsonrpc":"2.0","id":"a","method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"x","version":%s}}}}`},
		{"client twice", `{"jsonrpc":"2.0","id":"a","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":%s,"version":"1"}}}`},
		{"line that is no message", `{"jsonrpc":"2.0","id":[%s]}`},
		{"line that is no json", `{%s`},
		{"version of json-rpc", `{"jsonrpc":%s,"id":"a","method":"tools/list"}`},
	}
	for _, l := range lines {
		for _, shape := range Shapes {
			if err := n.alpha.say(fmt.Appendf(nil, l.line, quoted(l.door, shape))); err != nil {
				return err
			}
			if _, err := n.alpha.hear(); err != nil {
				return fmt.Errorf("%s: %w", l.door, err)
			}
		}
	}
	// Nothing is answered to these.
	for _, line := range []struct{ door, line string }{
		{"notification", `{"jsonrpc":"2.0","method":%s}`},
		{"reason of a cancellation", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77,"reason":%s}}`},
		{"answer that nobody asked for", `{"jsonrpc":"2.0","id":99,"result":%s}`},
		{"error that nobody asked for", `{"jsonrpc":"2.0","id":99,"error":{"code":1,"message":%s}}`},
	} {
		for _, shape := range Shapes {
			if err := n.alpha.say(fmt.Appendf(nil, line.line, quoted(line.door, shape))); err != nil {
				return err
			}
		}
	}
	return nil
}

// plantInGreetings starts clients whose words about themselves are secrets.
func (n *nest) plantInGreetings() error {
	for _, door := range []string{"name", "title", "version", "websiteUrl", "description", "protocolVersion"} {
		text := strings.Join([]string{
			n.canaries.Plant("client's "+door, GitHubToken), n.canaries.Plant("client's "+door, URLPassword), n.canaries.Plant("client's "+door, Environment),
		}, " ")
		info := map[string]any{"name": "x", "version": "1"}
		p := map[string]any{"protocolVersion": "2025-06-18", "capabilities": map[string]any{}, "clientInfo": info}
		if info[door] = text; door == "protocolVersion" {
			p[door] = text
		}
		w, err := n.program.wire("greeter", n.ledger)
		if err != nil {
			return err
		}
		if _, err := w.ask("initialize", p); err != nil {
			return err
		}
		if err := w.leave(); err != nil {
			return err
		}
	}
	return nil
}
