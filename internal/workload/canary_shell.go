package workload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// verbs are the command lines that a secret is put into, at %s. CONV is the conversation, TASK a task of alpha's, N its lease token.
var verbs = []string{
	"create --as alpha --role r --partner b=x --title|%s", "create --as alpha --partner b=x --role|%s", "create --as alpha --role r --partner|b=%s",
	"create --as alpha --role r --partner|%s=x", "create --as alpha --role r --partner|b=x:%s", "create --as alpha --role r --partner b=x --name|%s",
	"create --as alpha --role r --partner b=x --ttl|%s", "create --as alpha --role r --partner b=x --ttl-minutes|%s", "create --as alpha --role r --partner b=x --conversation-id|%s",
	"invite --as alpha --conversation-id CONV --partner|c=%s", "invite --as alpha --partner c=x --conversation-id|%s",
	"join --as gamma|%s", "join --as gamma --conversation-id|%s",
	"send --as alpha --conversation-id CONV|%s", "send --as alpha --conversation-id CONV hello --to|%s", "send --as alpha --conversation-id CONV hello --reply-to|%s",
	"send --as alpha --conversation-id CONV hello --key|%s", "send --as alpha --conversation-id CONV hello --file|%s", "send --as alpha --conversation-id CONV hello --action-type|%s",
	"send --as alpha hello --conversation-id|%s", "send --json --as alpha hello --conversation-id|%s", "send --as alpha --conversation-id CONV hello|%s", "send hello --as|%s",
	"check --as gamma --ack|%s", "check --as gamma --conversation-id|%s", "check --as gamma --wait|%s", "check --as gamma --limit|%s", "check --as gamma --peek --touch|/dev/null/%s",
	"set-status --as alpha --conversation-id CONV|%s", "set-status --as alpha --conversation-id CONV working --note|%s", "partners --as alpha --conversation-id|%s",
	"task add --as alpha --conversation-id CONV|%s", "task add --as alpha --conversation-id CONV t --detail|%s", "task add --as alpha --conversation-id CONV t --file|%s",
	"task add --as alpha --conversation-id CONV t --after|%s", "task add --as alpha --conversation-id CONV t --assign-to|%s", "task add --as alpha --conversation-id CONV t --key|%s",
	"task add --as alpha --conversation-id CONV t --priority|%s", "task claim --as alpha|%s", "task complete --as alpha TASK --lease-token N --result|%s",
	"task complete --as alpha --lease-token 1|%s", "task complete --as alpha TASK --lease-token|%s", "task assign --as alpha TASK|%s", "task fail --as alpha TASK --lease-token N --result|%s",
	"task list --as alpha --state|%s", "task list --as alpha --cursor|%s", "task update --as alpha|%s", "task|%s",
	"show|%s", "list|%s", "status|%s", "tail --once --conversation-id|%s", "extend|%s", "extend CONV --for|%s", "close|%s", "revoke --conversation-id CONV|%s", "revoke alpha --conversation-id|%s",
	"export|%s", "cleanup --older-than|%s", "pause|%s", "resume|%s", "say|%s",
	"token new --name|%s", "token new --as|%s", "token revoke|%s", "token renew|%s", "token list|%s",
	"audit show --agent|%s", "audit show --action|%s", "audit show --subject|%s", "audit show --since|%s", "audit show --until|%s", "audit show --conversation-id|%s", "audit|%s", "audit verify|%s",
	"doctor|%s", "redact|%s", "version|%s", "|%s", "|--%s", "list|--%s=x", "help|%s", "completion|%s", "list --config|%s", "list --config|/nowhere/%s", "list --store|%s", "list --store|sqlite:/nowhere/%s", "list --store|postgres://app:%s@db/x",
	"serve --listen|%s", "serve --listen|%s:1", "serve --listen|127.0.0.1:%s", "keepalive --as gamma --server|%s", "keepalive --as gamma --server|http://%s", "keepalive --as gamma --server|http://127.0.0.1:1/%s?x", "keepalive --as|%s", "mcp --as|%s", "mcp|%s",
	"audit export --format|%s", "audit export --format tiles --out|/dev/null/%s", "audit prove|%s", "audit prove CONV|%s", "audit verify --key|%s", "audit verify --checkpoint|/nowhere/%s", "audit verify --tiles|/nowhere/%s",
	"audit checkpoint --append|/dev/null/%s", "audit checkpoint --git|/nowhere/%s", "audit key|%s",
	"key rotate --retire-after|%s", "token new --as alpha --name x --rank|%s", "token new --as alpha --rank worker --conversation-id|%s", "token new --as alpha --for|%s",
	"watchdog|%s", "demo --keep|/dev/null/%s",
}

// typedVerbs are those that need a person's terminal.
var typedVerbs = []string{
	"say --conversation-id CONV|%s", "say --conversation-id CONV hello --to|%s", "say --conversation-id CONV hello --file|%s", "say --conversation-id CONV hello --reply-to|%s",
	"say hello --conversation-id|%s", "pause|%s", "resume|%s",
}

// variables are settings in the environment; a secret in one of them is in the wrong place.
var variables = []string{
	"TOKEN", "CONFIG", "STORE", "LISTEN", "CONVERSATION_TTL", "TOKEN_TTL", "INVITE_TTL", "RETENTION", "HEARTBEAT", "SILENT_AFTER", "SWEEP_EVERY", "DELIVERY_ATTEMPTS", "LIMITS",
	"LOOP_GUARD", "MAX_MESSAGE", "ALERT_WEBHOOK", "ALERT_SECRET", "ALERT_COMMAND", "LOG", "NO_SUCH_SETTING",
}

// verbTime bounds a verb: what goes on by itself is ended.
const verbTime = 1500 * time.Millisecond

// plantInShell puts secrets into command lines, into settings and into what verbs read.
func (n *nest) plantInShell(ctx context.Context) error {
	for i, line := range verbs {
		if err := n.run(ctx, n.program.Command(n.words("verb", line, i)...), ""); err != nil {
			return err
		}
	}
	for i, line := range typedVerbs {
		shown, err := onTerminal(n.program.Command(n.words("typed verb", line, i)...))
		n.ledger.note("what a terminal shows", shown)
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	for _, name := range variables {
		for _, shape := range []Shape{GitHubToken, URLPassword} {
			cmd := n.program.Command("send", "--as", "alpha", "--conversation-id", n.conversation, "hello")
			cmd.Env = append(cmd.Env, "AGENTBRIDGE_"+name+"="+n.canaries.Plant("variable AGENTBRIDGE_"+name, shape))
			doctor := n.program.Command("doctor")
			doctor.Env = cmd.Env
			if err := cmp.Or(n.run(ctx, cmd, ""), n.run(ctx, doctor, "")); err != nil {
				return err
			}
		}
	}
	for _, text := range []string{"%s", "%s = 1", "limits = %q", "limits = [%q]", "heartbeat = %q", "[%s]\nx = 1", "alert_webhook = %q", "alert_secret = \"%[1]s%[1]s", "store = %q", "listen = %q", "log = %q", "redact_rule = %q", "[redact]\nallow = [%q]", "[redact]\nallow = %q", "[redact]\nx = %q", "[[redact.rule]]\nkind = %q", "[[redact.rule]]\nkind = 'x'\npattern = \"(%s\"", "[redact]\n%s = 1"} {
		path := filepath.Join(n.scratch, "canary.toml")
		if err := os.WriteFile(path, fmt.Appendf(nil, text, n.canaries.Plant("configuration "+text, GitHubToken)), 0o600); err != nil {
			return err
		}
		if err := cmp.Or(n.run(ctx, n.program.Command("list", "--config", path), ""), n.run(ctx, n.program.Command("doctor", "--json", "--config", path), "")); err != nil {
			return err
		}
	}
	for _, line := range []string{"send --as alpha --conversation-id CONV -", "task add --as alpha --conversation-id CONV t --detail -", "join --as gamma -", "redact", "redact --jsonl", "mcp --as gamma"} {
		args := strings.Fields(strings.ReplaceAll(line, "CONV", n.conversation))
		if err := n.run(ctx, n.program.Command(args...), n.canaries.Plant("stdin of "+args[0], GitHubToken)+"\n"); err != nil {
			return err
		}
	}
	return n.plantInNames(ctx)
}

// plantInNames starts an agent in a directory whose name is a secret, and looks at a data directory that is called one.
func (n *nest) plantInNames(ctx context.Context) error {
	for _, shape := range NameShapes {
		dir := filepath.Join(n.scratch, n.canaries.Plant("working directory", shape))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		cmd := n.program.Command("mcp")
		cmd.Dir = dir
		elsewhere := n.program
		elsewhere.Data = filepath.Join(n.scratch, n.canaries.Plant("data directory", shape))
		if err := cmp.Or(n.run(ctx, cmd, ""), n.run(ctx, elsewhere.Command("list"), "")); err != nil {
			return err
		}
	}
	return nil
}

// words makes the arguments of a command line with a secret in it. Which shape it has goes round.
func (n *nest) words(kind, line string, i int) []string {
	before, last, _ := strings.Cut(line, "|")
	shapes := HeaderShapes
	args := strings.Fields(before)
	if strings.Contains(line, "TASK") {
		task, token := n.hold()
		for i, a := range args {
			args[i] = map[string]string{"TASK": string(task), "N": fmt.Sprint(token)}[a]
			args[i] = cmp.Or(args[i], a)
		}
	}
	for i, a := range args {
		if a == "CONV" {
			args[i] = n.conversation
		}
	}
	return append(args, fmt.Sprintf(last, n.canaries.Plant(kind+" "+line, shapes[i%len(shapes)])))
}

// run runs a command to its end and keeps what it says. That it fails is what most of these do.
func (n *nest) run(ctx context.Context, cmd *exec.Cmd, stdin string) error {
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Stdout = n.ledger.to("stdout of the shell")
	cmd.WaitDelay = time.Second
	err := cmd.Start()
	if err == nil {
		timer := time.AfterFunc(verbTime, func() { cmd.Process.Signal(os.Interrupt) })
		defer timer.Stop()
		err = cmd.Wait()
	}
	if _, ok := errors.AsType[*exec.ExitError](err); ok && ctx.Err() == nil {
		return nil
	}
	return cmp.Or(err, ctx.Err())
}

// read runs a command that must work and keeps its output as a place of its own.
func (n *nest) read(args ...string) {
	out, err := n.program.Command(args...).Output()
	n.ledger.note(strings.Join(args, " "), out)
	n.fault(strings.Join(args, " "), err)
}
