package workload

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"agentbridge/internal/bridge"
)

// Idling is a way in which an agent that does nothing is connected to a hub.
type Idling string

// The ways of idling. Each is what real clients do.
const (
	Waits   Idling = "waits"   // the newer protocol: check_messages waits, again and again
	Listens Idling = "listens" // the newer protocol: subscriptions/listen
	Session Idling = "session" // the older protocol: check_messages waits within a session, and the session's stream is open beside it
	Kept    Idling = "kept"    // nothing but agentbridge keepalive
	Far     Idling = "far"     // agentbridge mcp --server: its keep-alive, and a wait beside it
)

// AllIdling are all the ways but Far, which has two connections an agent; see doc/remote.md for what it costs.
var AllIdling = []Idling{Waits, Listens, Session, Kept}

// IdleReport is what a hub used while its agents did nothing.
type IdleReport struct {
	Agents, Connections int
	Span                time.Duration
	CPU                 float64 // of one processor: 0.05 is 5 %
	RSS, PeakRSS        int64   // bytes: at the end, and ever
	Faults              []string
}

// Idle connects many agents to one hub, all of them members of conversations, in equal shares in each of these ways, and measures
// the hub's process over a span in which nothing happens. The agents are raw HTTP clients in this process. It reads /proc, so it
// works on Linux only.
func Idle(ctx context.Context, p Program, agents int, span time.Duration, ways ...Idling) (rep IdleReport, err error) {
	if len(ways) == 0 {
		ways = AllIdling
	}
	hub, err := p.Serve(ctx, Anywhere)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, hub.Stop()) }()
	tokens, err := manyTokens(p, agents)
	if err != nil {
		return rep, err
	}
	ctx, end := context.WithCancel(ctx)
	r := rest{hub: hub, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: -1}}}
	defer r.wg.Wait()
	defer end()
	if err := r.gather(ctx, tokens); err != nil {
		return rep, err
	}
	for i, token := range tokens {
		r.wg.Go(func() { r.idle(ctx, token, ways[i%len(ways)]) })
		time.Sleep(5 * time.Millisecond) // they do not come all at once
	}
	pause(ctx, 10*time.Second) // what it takes to connect is not idling
	before, err := cpuOf(hub.PID())
	if err != nil {
		return rep, err
	}
	start := time.Now()
	pause(ctx, span)
	after, err := cpuOf(hub.PID())
	if err != nil {
		return rep, err
	}
	rep = IdleReport{Agents: agents, Connections: int(r.open.Load()), Span: time.Since(start)}
	rep.CPU = (after - before).Seconds() / rep.Span.Seconds()
	if rep.RSS, rep.PeakRSS, err = memoryOf(hub.PID()); err != nil {
		return rep, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rep.Faults = r.faults
	return rep, ctx.Err()
}

// manyTokens makes agents, two processes at a time.
func manyTokens(p Program, n int) ([]string, error) {
	tokens, errs := make([]string, n), make([]error, n)
	var wg sync.WaitGroup
	gate := make(chan struct{}, 2)
	for i := range n {
		gate <- struct{}{}
		wg.Go(func() {
			tokens[i], errs[i] = p.Token(fmt.Sprintf("idler-%d", i))
			<-gate
		})
	}
	wg.Wait()
	return tokens, errors.Join(errs...)
}

// rest is a crowd of agents that do nothing.
type rest struct {
	hub  *Hub
	http *http.Client
	wg   sync.WaitGroup
	open atomic.Int64 // streams and waits

	mu     sync.Mutex // guards faults
	faults []string
}

// roomSize is how many agents share a conversation.
const roomSize = 50

// gather makes conversations of them.
func (r *rest) gather(ctx context.Context, tokens []string) error {
	for first := 0; first < len(tokens); first += roomSize {
		room := tokens[first:min(first+roomSize, len(tokens))]
		var partners []map[string]any
		for i := range room[1:] {
			partners = append(partners, map[string]any{"name": fmt.Sprintf("idler-%d", first+1+i), "role": "idler"})
		}
		var made bridge.CreateResult
		if err := r.ask(ctx, room[0], "create_conversation", map[string]any{"role": "lead", "partners": partners}, &made); err != nil {
			return err
		}
		for i, token := range room[1:] {
			if err := r.ask(ctx, token, "join_conversation", map[string]any{"code": made.Invites[i].Code}, &bridge.JoinResult{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// ask calls a tool as a client of the newer protocol does.
func (r *rest) ask(ctx context.Context, token, tool string, arguments, answer any) error {
	last := ""
	err := r.post(ctx, token, "", toolCall(tool, arguments), func(data string) { last = data })
	if err != nil {
		return err
	}
	var reply struct {
		Result struct {
			IsError           bool
			StructuredContent json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(last), &reply); err != nil || reply.Result.IsError {
		return fmt.Errorf("%s: %s (%v)", tool, last, err)
	}
	return json.Unmarshal(reply.Result.StructuredContent, answer)
}

// idle is one agent, until ctx ends.
func (r *rest) idle(ctx context.Context, token string, way Idling) {
	var err error
	switch way {
	case Waits:
		err = r.waits(ctx, token, "")
	case Listens:
		listen := map[string]any{"notifications": map[string]any{"toolsListChanged": true}, "_meta": modernMeta()}
		err = r.held(func() error { return r.post(ctx, token, "", request("subscriptions/listen", listen), func(string) {}) })
	case Session:
		var session string
		if session, err = r.begin(ctx, token); err == nil {
			r.wg.Go(func() { r.fault(ctx, r.held(func() error { return r.get(ctx, token, session, "/mcp") })) })
			err = r.waits(ctx, token, session)
		}
	case Far:
		r.wg.Go(func() { r.fault(ctx, r.held(func() error { return r.get(ctx, token, "", "/keepalive") })) })
		for err == nil && ctx.Err() == nil {
			err = r.held(func() error { return r.await(ctx, token) })
		}
	case Kept:
		err = r.held(func() error { return r.get(ctx, token, "", "/keepalive") })
	}
	r.fault(ctx, err)
}

// await waits for messages as a remote agent's process does.
func (r *rest) await(ctx context.Context, token string) error {
	body := strings.NewReader(`{"request":{"Wait":240000000000}}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.hub.URL("/agent/await_messages"), body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := r.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && !strings.Contains(string(text), `"result"`) {
		err = fmt.Errorf("await_messages: %s", text)
	}
	return err
}

// waits waits for messages, again and again. The first wait is of any length, so that the agents do not come back all at once.
func (r *rest) waits(ctx context.Context, token, session string) error {
	seconds := 1 + rand.IntN(240)
	for ctx.Err() == nil {
		body := toolCall("check_messages", map[string]any{"wait_seconds": seconds})
		if session != "" {
			delete(body["params"].(map[string]any)["_meta"].(map[string]any), metaVersion)
		}
		if err := r.held(func() error { return r.post(ctx, token, session, body, func(string) {}) }); err != nil {
			return err
		}
		seconds = 240
	}
	return nil
}

// begin opens a session of the older protocol.
func (r *rest) begin(ctx context.Context, token string) (session string, err error) {
	res, err := r.send(ctx, token, "", request("initialize", map[string]any{
		"protocolVersion": "2025-06-18", "capabilities": map[string]any{}, "clientInfo": map[string]any{"name": "idler", "version": "1"},
	}))
	if err != nil {
		return "", err
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	session = res.Header.Get("Mcp-Session-Id")
	ready := request("notifications/initialized", nil)
	delete(ready, "id")
	return session, r.post(ctx, token, session, ready, func(string) {})
}

// held counts a request as long as it is open.
func (r *rest) held(request func() error) error {
	r.open.Add(1)
	defer r.open.Add(-1)
	return request()
}

// fault notes why an agent stopped idling before its time.
func (r *rest) fault(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		err = errors.New("the hub ended a stream")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, err.Error())
}

// post makes a request and gives the data of each event of its answer.
func (r *rest) post(ctx context.Context, token, session string, body map[string]any, event func(data string)) error {
	res, err := r.send(ctx, token, session, body)
	if err != nil {
		return err
	}
	return events(res, event)
}

func (r *rest) get(ctx context.Context, token, session, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.hub.URL(path), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+token)
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
	}
	res, err := r.http.Do(req)
	if err != nil {
		return err
	}
	return events(res, func(string) {})
}

func (r *rest) send(ctx context.Context, token, session string, body map[string]any) (*http.Response, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.hub.URL("/mcp"), bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Authorization", "Bearer "+token)
	params, _ := body["params"].(map[string]any)
	meta, _ := params["_meta"].(map[string]any)
	if meta[metaVersion] != nil {
		req.Header.Set("Mcp-Protocol-Version", modernVersion)
		req.Header.Set("Mcp-Method", body["method"].(string))
		if name, ok := params["name"].(string); ok {
			req.Header.Set("Mcp-Name", name)
		}
	} else if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
		req.Header.Set("Mcp-Protocol-Version", "2025-06-18")
	}
	return r.http.Do(req)
}

// events reads an answer to its end.
func events(res *http.Response, event func(data string)) error {
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		return errors.New(res.Status)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(make([]byte, 512), 1<<20)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			event(data)
		}
	}
	return lines.Err()
}

const (
	modernVersion = "2026-07-28"
	metaVersion   = "io.modelcontextprotocol/protocolVersion"
)

func modernMeta() map[string]any {
	return map[string]any{metaVersion: modernVersion, "io.modelcontextprotocol/clientCapabilities": map[string]any{}, "progressToken": 1}
}

func request(method string, params map[string]any) map[string]any {
	r := map[string]any{"jsonrpc": "2.0", "id": rand.Int64N(1 << 40), "method": method}
	if params != nil {
		r["params"] = params
	}
	return r
}

func toolCall(tool string, arguments any) map[string]any {
	return request("tools/call", map[string]any{"name": tool, "arguments": arguments, "_meta": modernMeta()})
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// tick is how long a tick of /proc/PID/stat is: USER_HZ is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// cpuOf is the processor time that a process has used, with its kernel's.
func cpuOf(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name before may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("read /proc/%d/stat: %d fields", pid, len(fields))
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, errors.Join(err, err2)
}

// memoryOf is how much memory a process has, and ever had.
func memoryOf(pid int) (rss, peak int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			rss = kib << 10
		case "VmHWM":
			peak = kib << 10
		}
	}
	return rss, peak, err
}
