package workload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"agentbridge/internal/bridge"
)

// CanaryReport is what [Canary] planted and where it looked. Leaks and Faults are empty where every promise held.
type CanaryReport struct {
	Planted int
	Doors   []string
	Places  map[string]int // bytes looked through, by place
	Masked  int            // marks of redaction that the other members got to see
	Leaks   []Leak
	Faults  []string // what was not as it should be for the search to mean something
}

// Canary puts invented secrets into everything that a program takes: arguments of tools, the protocol around them, HTTP requests,
// command lines, settings, answers of sinks, output of commands. Then it looks for them in every byte that came out: data directory,
// run directory, output and logs of every process, answers, exports, metrics, alerts, and what other agents are shown. What the
// sender itself is answered is looked through as well.
//
// What goes back by the protocol's own rule is not planted: the id of a request, its progress token, and an agent's own token.
func Canary(ctx context.Context, p Program, seed uint64) (rep CanaryReport, err error) {
	scratch, err := os.MkdirTemp("", "agentbridge-canary-")
	if err != nil {
		return rep, err
	}
	defer os.RemoveAll(scratch)
	n := &nest{canaries: NewCanaries(seed, 600), ledger: &ledger{}, scratch: scratch, rep: &rep}
	sink := httptest.NewServer(n.webhook(n.canaries.Plant("answer of a webhook", GitHubToken), n.canaries.Plant("header of a webhook's answer", GitHubToken)))
	defer sink.Close()
	p.Stderr = n.ledger.to("stderr of all processes")
	p.Env = append(slices.Clone(p.Env), n.canaries.Environ()...)
	p.Env = append(p.Env, "AGENTBRIDGE_LIMITS=off", "AGENTBRIDGE_LOG=debug", "AGENTBRIDGE_HEARTBEAT=200ms", "AGENTBRIDGE_SILENT_AFTER=700ms", "AGENTBRIDGE_GONE_AFTER=1h",
		"AGENTBRIDGE_SWEEP_EVERY=200ms", "XDG_RUNTIME_DIR="+n.dir("run"),
		"AGENTBRIDGE_ALERT_WEBHOOK="+sink.URL+"/"+n.canaries.Plant("address of a webhook", GitHubToken), "AGENTBRIDGE_ALERT_SECRET="+n.canaries.Plant("secret of a webhook", GitHubToken),
		fmt.Sprintf("AGENTBRIDGE_ALERT_COMMAND=cat >>%s/alerts; echo %s; echo %s >&2; exit 3", scratch, n.canaries.Plant("output of an alert command", GitHubToken), n.canaries.Plant("stderr of an alert command", Environment)))
	n.program = p
	err = n.story(ctx)
	rep.Planted, rep.Doors = n.canaries.Planted(), n.canaries.Doors()
	return rep, err
}

// nest is where canaries are put.
type nest struct {
	canaries     *Canaries
	ledger       *ledger
	program      Program
	scratch      string
	rep          *CanaryReport
	alpha        *wire // the planter
	conversation string
}

// dir makes a directory of the story's own.
func (n *nest) dir(name string) string {
	path := filepath.Join(n.scratch, name)
	n.fault("make a directory", os.Mkdir(path, 0o700))
	return path
}

// fault notes what ought to have worked.
func (n *nest) fault(what string, err error) {
	if err != nil {
		n.rep.Faults = append(n.rep.Faults, what+": "+err.Error())
	}
}

// webhook is a sink that never takes an alert and says secrets.
func (n *nest) webhook(body, header string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		n.ledger.note("bodies of alerts", text)
		w.Header().Set("X-Reason", header)
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, body)
	})
}

func (n *nest) story(ctx context.Context) (err error) {
	crew := map[string]*wire{}
	for _, name := range []string{"alpha", "beta", "gamma"} {
		if crew[name], err = n.program.wire(name, n.ledger); err != nil {
			return err
		}
	}
	n.alpha = crew["alpha"]
	beta, gamma := crew["beta"], crew["gamma"]
	if err := n.meet(beta, gamma); err != nil {
		return err
	}
	gamma.kill() // an agent that falls silent: alerts go out from now on
	if err := cmp.Or(n.plantInTools(), n.plantInProtocol(), n.plantInGreetings()); err != nil {
		return err
	}
	hub, err := n.program.Serve(ctx, Anywhere)
	if err != nil {
		return err
	}
	defer hub.Kill()
	token, err := n.program.Token("remote")
	if err != nil {
		return err
	}
	if err := cmp.Or(n.plantInHTTP(ctx, hub, token), n.plantInShell(ctx)); err != nil {
		return err
	}
	onMessage := fmt.Sprintf("echo %s; echo %s >&2; exit 3", n.canaries.Plant("output of keepalive's command", GitHubToken), n.canaries.Plant("stderr of keepalive's command", Environment))
	if err := n.run(ctx, n.program.Command("keepalive", "--as", "gamma", "--on-message", onMessage), ""); err != nil {
		return err
	}
	if err := n.readAll(ctx, beta, hub); err != nil {
		return err
	}
	n.keepFiles() // the last process to leave tidies up
	if err := cmp.Or(n.alpha.leave(), beta.leave(), hub.Stop()); err != nil {
		return err
	}
	return n.look(ctx)
}

// meet makes the conversation that everything happens in.
func (n *nest) meet(others ...*wire) error {
	var partners []any
	for _, o := range others {
		partners = append(partners, map[string]any{"name": o.name, "role": "partner"})
	}
	var made bridge.CreateResult
	if err := n.alpha.call("create_conversation", map[string]any{"role": "lead", "partners": partners}, &made); err != nil {
		return err
	}
	n.conversation = string(made.Conversation)
	for i, o := range others {
		if err := o.call("join_conversation", map[string]any{"code": made.Invites[i].Code}, &bridge.JoinResult{}); err != nil {
			return err
		}
	}
	return nil
}

// readAll has everything shown that shows anything.
func (n *nest) readAll(ctx context.Context, beta *wire, h *Hub) error {
	for {
		var batch bridge.CheckResult
		if err := beta.call("check_messages", map[string]any{"limit": 50}, &batch); err != nil {
			return err
		}
		if len(batch.Messages) == 0 {
			break
		}
		for _, m := range batch.Messages {
			n.rep.Masked += strings.Count(m.Text+strings.Join(m.Files, " "), "[REDACTED:")
		}
	}
	cursor := ""
	for {
		var page bridge.ListTasksResult
		if err := beta.call("list_tasks", map[string]any{"limit": 100, "cursor": cursor}, &page); err != nil {
			return err
		}
		for _, t := range page.Tasks {
			n.rep.Masked += strings.Count(t.Title+t.Detail+t.Result+strings.Join(t.Files, " "), "[REDACTED:")
		}
		if cursor = page.Cursor; cursor == "" {
			break
		}
	}
	if err := beta.call("check_partners", nil, &bridge.PartnersResult{}); err != nil {
		return err
	}
	if _, err := beta.ask("resources/read", map[string]any{"uri": "agentbridge://conversation/" + n.conversation}); err != nil {
		return err
	}
	for _, path := range []string{"/metrics", "/healthz"} {
		if err := n.knock(ctx, http.DefaultClient, h, knock{"GET", path, nil, nil}); err != nil {
			return err
		}
	}
	for _, line := range []string{
		"status", "status --json", "list --all", "list --all --json", "show --json " + n.conversation, "show " + n.conversation, "tail --once", "tail --once --json",
		"export " + n.conversation, "audit show", "audit show --json", "audit verify", "audit export --format jsonl", "key list --json", "token list --json", "partners --json --as gamma", "check --as gamma --limit 50", "task list --all --as gamma",
	} {
		n.read(strings.Fields(line)...)
	}
	if err := n.run(ctx, n.program.Command("doctor", "--json"), ""); err != nil { // it finds fault with these settings
		return err
	}
	alerts := filepath.Join(n.scratch, "alerts")
	return n.until(ctx, "an alert comes to both sinks", func() bool {
		text, _ := os.ReadFile(alerts)
		n.ledger.mu.Lock()
		defer n.ledger.mu.Unlock()
		return len(text) > 0 && n.ledger.at["bodies of alerts"] != nil
	})
}

// until waits for something that others do.
func (n *nest) until(ctx context.Context, what string, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for !done() {
		if pause(ctx, 20*time.Millisecond); ctx.Err() != nil {
			return fmt.Errorf("wait until %s: %w", what, ctx.Err())
		}
	}
	return nil
}

// keepFiles keeps what the store's files hold while processes work on it: the log of writes is among them.
func (n *nest) keepFiles() {
	for _, name := range []string{"bridge.db", "bridge.db-wal", "bridge.db-shm"} {
		data, err := os.ReadFile(filepath.Join(n.program.Data, name))
		n.fault("read "+name, err)
		n.ledger.note(name+" at work", data)
	}
}

// look searches all that came out, and all files: their names and every byte.
func (n *nest) look(ctx context.Context) error {
	n.rep.Places = map[string]int{}
	search := func(place string, data []byte) {
		n.rep.Places[place] += len(data)
		n.rep.Leaks = append(n.rep.Leaks, n.canaries.Look(place, data)...)
	}
	n.ledger.mu.Lock()
	defer n.ledger.mu.Unlock()
	for _, place := range slices.Sorted(maps.Keys(n.ledger.at)) {
		search(place, n.ledger.at[place].Bytes())
	}
	for place, root := range map[string]string{"data directory": n.program.Data, "run directory": filepath.Join(n.scratch, "run"), "alerts": filepath.Join(n.scratch, "alerts")} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name, _ := filepath.Rel(root, path)
			search("names in "+place, []byte(name))
			if !d.Type().IsRegular() {
				return ctx.Err()
			}
			data, err := os.ReadFile(path)
			search(place+" "+name, data)
			return errors.Join(err, ctx.Err())
		})
		if err != nil {
			return err
		}
	}
	return nil
}
