package workload

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

// reads has all list the tasks while some are added.
func (v *validation) reads(ctx context.Context, c *theCrew) error {
	var mu sync.Mutex // guards answered
	answered := map[bridge.TaskID]bool{}
	var wg sync.WaitGroup
	faults := make(chan error, 1+len(c.all()))
	wg.Go(func() {
		for i := range addedTasks {
			res, err := c.lead.AddTask(ctx, bridge.AddTaskRequest{Title: fmt.Sprintf("to be read %d", i)})
			if err != nil {
				faults <- err
				return
			}
			mu.Lock()
			answered[res.Task] = true
			mu.Unlock()
		}
	})
	for _, who := range c.all() {
		wg.Go(func() {
			for range readsEach {
				mu.Lock()
				before := make([]bridge.TaskID, 0, len(answered))
				for id := range answered {
					before = append(before, id)
				}
				mu.Unlock()
				began := time.Now()
				list, err := who.AllTasks(ctx, "")
				if err != nil {
					faults <- err
					return
				}
				v.took("reads", "read_ms", time.Since(began))
				times := map[bridge.TaskID]int{}
				whole := true
				for _, t := range list {
					times[t.ID]++
					whole = whole && strings.HasPrefix(t.Title, "to be read ") && times[t.ID] == 1
				}
				for _, id := range before {
					whole = whole && times[id] == 1
				}
				v.is("reads", "anomalies", !whole)
			}
		})
	}
	wg.Wait()
	select {
	case err := <-faults:
		return err
	default:
		return nil
	}
}

// status has each worker say one.
func (v *validation) status(ctx context.Context, c *theCrew) error {
	said := []bridge.Status{bridge.Working, bridge.Waiting, bridge.Blocked, bridge.Complete}
	for i, w := range c.workers {
		status, note := said[i%len(said)], fmt.Sprintf("note %d", i)
		began := time.Now()
		if err := w.Call(ctx, "update_status", map[string]any{"status": status, "note": note}, &bridge.StatusResult{}); err != nil {
			return err
		}
		var who bridge.PartnersResult
		if err := c.lead.Call(ctx, "check_partners", map[string]any{}, &who); err != nil {
			return err
		}
		v.took("status", "status_ms", time.Since(began))
		seen := false
		for _, p := range who.Partners {
			seen = seen || p.Name == w.Name && p.Status == status && p.Note == note
		}
		v.is("status", "seen", seen)
	}
	return nil
}

// refusalOf runs the program and gives the code of its refusal; empty: it did what it was asked to.
func refusalOf(p Program, token string, args ...string) (bridge.Code, error) {
	cmd := p.Command(append(args, "--json")...)
	cmd.Stderr = nil
	if token != "" {
		cmd.Env = append(cmd.Env, "AGENTBRIDGE_TOKEN="+token)
	}
	out, err := cmd.Output()
	if err == nil {
		return "", nil
	}
	refusal := &bridge.Error{}
	if jsonErr := json.Unmarshal(out, refusal); jsonErr != nil || refusal.Code == "" {
		return "", errors.Join(err, jsonErr)
	}
	return refusal.Code, nil
}

// authenticate tries tokens that are good, and many that are not.
func (v *validation) authenticate(ctx context.Context) error {
	quiet := v.p
	quiet.Stderr = nil
	name := v.name("authenticated")
	token, err := quiet.Token(name)
	if err != nil {
		return err
	}
	for range 10 {
		code, err := refusalOf(quiet, token, "partners")
		if err != nil {
			return err
		}
		v.is("authenticate", "refused_genuine", code != "")
	}
	dir, err := v.elsewhere("another-store")
	if err != nil {
		return err
	}
	other := quiet
	other.Data = dir
	other = other.with(map[string]string{"store": "sqlite:" + dir + "/bridge.db"})
	theirs, err := other.Token(name)
	if err != nil {
		return err
	}
	gone, err := quiet.Token(v.name("revoked"))
	if err != nil {
		return err
	}
	id, err := quiet.tokenID(ctx, v.name("revoked"))
	if err == nil {
		_, err = quiet.run(ctx, "", "token", "revoke", id)
	}
	if err != nil {
		return err
	}
	wrong := []string{theirs, gone, token + "A", token[:len(token)-1], token[:len(token)/2], strings.ToUpper(token)}
	for i := range 18 { // a character changed, from one end to the other
		at := i * (len(token) - 1) / 17
		changed := []byte(token)
		if changed[at]++; changed[at] == token[at] || changed[at] < '!' || changed[at] > '~' {
			changed[at] = 'x'
		}
		wrong = append(wrong, string(changed))
	}
	for _, w := range wrong {
		code, err := refusalOf(quiet, w, "partners")
		if err != nil {
			return err
		}
		v.is("authenticate", "admitted", code == "")
	}
	return ctx.Err()
}

// limit sends more than the seed's budget.
func (v *validation) limit(ctx context.Context) error {
	strict := v.plan.Program.with(map[string]string{"limits": "strict"})
	from, err := v.start(ctx, strict, v.name("eager"))
	if err != nil {
		return err
	}
	to, err := v.start(ctx, strict, v.name("patient"))
	if err != nil {
		leave([]*Player{from})
		return err
	}
	defer leave([]*Player{from, to})
	if _, err := Meet(ctx, from, to); err != nil {
		return err
	}
	var refused time.Time
	wait := 0
	for i := range 13 {
		res, err := from.Send(ctx, fmt.Sprintf("eager %d", i), fmt.Sprintf("eager %d", i))
		v.is("limit", "accepted", err == nil)
		if err == nil {
			v.acknowledge(res)
			continue
		}
		refusal, ok := errors.AsType[*bridge.Error](err)
		if !ok || refusal.Code != bridge.RateLimited {
			return err
		}
		v.is("limit", "unsaid", refusal.RetryAfter < 1)
		if refused.IsZero() {
			refused = time.Now()
		}
		wait = refusal.RetryAfter
	}
	if refused.IsZero() {
		return errors.New("nothing was refused")
	}
	pause(ctx, time.Duration(wait)*time.Second)
	res, err := from.Send(ctx, "eager again", "eager again")
	v.is("limit", "after", err == nil)
	if err != nil {
		return err
	}
	v.acknowledge(res)
	v.took("limit", "reset_ms", time.Since(refused))
	return nil
}

// life is how long what expires lives in row expiry.
const life = 5 * time.Second

// expiry uses what lives for seconds before its end and after it. Each has its own short life; all else is good for hours.
func (v *validation) expiry(ctx context.Context) error {
	p := v.p
	p.Stderr = nil
	short := func(key string) Program {
		return p.with(map[string]string{"heartbeat": "1s", "silent_after": "3s", key: life.String()})
	}
	a, b, c := v.name("ending"), v.name("ending-partner"), v.name("inviter")
	made := func(p Program, as, partner string) (res bridge.CreateResult, err error) {
		out, err := p.Command("create", "--as", as, "--role", "lead", "--partner", partner+"=partner", "--json").Output()
		if err != nil {
			return res, fmt.Errorf("create: %w", err)
		}
		return res, json.Unmarshal(out, &res)
	}
	conversation, err := made(short("conversation_ttl"), a, b)
	if err != nil {
		return err
	}
	invites := [2]bridge.CreateResult{}
	for i := range invites {
		if invites[i], err = made(short("invite_ttl"), c, v.name(fmt.Sprintf("guest-%d", i))); err != nil {
			return err
		}
	}
	token, err := short("token_ttl").Token(v.name("mortal"))
	if err != nil {
		return err
	}
	ends := time.Now().Add(life)
	id := string(conversation.Conversation)
	try := func(series string, want bridge.Code, guest int) error {
		for _, t := range []struct {
			token string
			args  []string
		}{
			{"", []string{"send", "--as", a, "--conversation-id", id, series}},
			{"", []string{"join", invites[guest].Invites[0].Code, "--as", v.name(fmt.Sprintf("guest-%d", guest))}},
			{token, []string{"partners"}},
		} {
			code, err := refusalOf(p, t.token, t.args...)
			if err != nil {
				return fmt.Errorf("%s: %w", t.args[0], err)
			}
			v.is("expiry", series, code == want)
		}
		return nil
	}
	if err := try("before", "", 0); err != nil {
		return err
	}
	pause(ctx, time.Until(ends.Add(time.Second)))
	if err := try("refused", bridge.Expired, 1); err != nil {
		return err
	}
	code, err := refusalOf(p, "", "partners", "--as", a, "--conversation-id", id)
	v.is("expiry", "readable", code == "")
	return err
}

// audit has the logs verified, and looks for every acknowledged message in them.
func (v *validation) audit(context.Context) error {
	logs, err := v.plan.Program.logs()
	if err != nil && len(logs) == 0 {
		return err
	}
	for _, log := range logs {
		v.is("audit", "broken", log.Fault != "")
		v.note("audit", "entries", float64(log.Entries))
	}
	out, err := v.plan.Program.Command("audit", "export", "--format", "jsonl", "--action", "send", "--since", fmt.Sprintf("%ds", int(time.Since(v.began).Seconds())+60)).Output()
	if err != nil {
		return fmt.Errorf("export the entries: %w", err)
	}
	entered := map[bridge.MessageID]bool{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct{ Subject bridge.MessageID }
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return err
		}
		entered[e.Subject] = true
	}
	for _, a := range v.acked {
		v.is("audit", "unlogged", !entered[a.Message])
	}
	return lines.Err()
}

// tokenID is the id of an agent's token, which who may list them sees.
func (p Program) tokenID(ctx context.Context, name string) (string, error) {
	out, err := p.run(ctx, "", "token", "list", "--json")
	if err != nil {
		return "", err
	}
	var list struct {
		Tokens []struct {
			ID    string `json:"token_id"`
			Agent string `json:"agent"`
		} `json:"tokens"`
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return "", err
	}
	for _, t := range list.Tokens {
		if t.Agent == name {
			return t.ID, nil
		}
	}
	return "", fmt.Errorf("there is no token of %s", name)
}

// Fsyncs measures what one durable write of 4 KB costs on the disk of a directory.
func Fsyncs(dir string, n int) (Sample, error) { return fsyncs(dir, n) }
