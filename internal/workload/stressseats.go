package workload

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	_ "modernc.org/sqlite" // to ask a store how large it is

	"agentbridge/internal/agent"
	"agentbridge/internal/bridge"
)

// coordinator is the seat, and in a store of our own the name, of who hands out the work.
const (
	coordinator     = 0
	coordinatorName = "coordinator"
)

// seat brings the agents, and the conversations that they are in.
func (s *stress) seat(ctx context.Context) error {
	workers := s.plan.Agents - 1
	s.seats = make([]seat, s.plan.Agents)
	for i := range s.seats {
		s.seats[i].name = fmt.Sprintf("worker-%04d", i)
	}
	s.seats[coordinator].name = coordinatorName
	s.rooms = make([]room, s.plan.Conversations)
	for i := range max(workers, len(s.rooms)) {
		r, w := i%len(s.rooms), 1+i%workers
		s.rooms[r].workers = append(s.rooms[r].workers, w)
		s.seats[w].rooms = append(s.seats[w].rooms, r)
	}
	begin := s.beginStdio
	if s.plan.Transport == HTTP {
		begin = s.beginHTTP
	}
	take, err := begin(ctx)
	if err != nil {
		return err
	}
	for i := range s.rooms {
		if err := s.invite(ctx, i, take); err != nil {
			return err
		}
	}
	return nil
}

// invite makes a conversation and seats its workers, several at once.
func (s *stress) invite(ctx context.Context, at int, take func(ctx context.Context, seat int, code string) error) error {
	r := &s.rooms[at]
	var partners []map[string]any
	for _, w := range r.workers {
		partners = append(partners, map[string]any{"name": s.seats[w].name, "role": "does a share of the load"})
	}
	var made bridge.CreateResult
	create := map[string]any{"role": "hands out the load", "title": fmt.Sprintf("stress %d", at+1), "partners": partners}
	if err := s.seats[coordinator].call(ctx, "create_conversation", create, &made); err != nil {
		return err
	}
	r.id = made.Conversation
	s.seats[coordinator].name = made.You.Name // a token that somebody gave has one of its own
	faults := make([]error, len(r.workers))
	var wg sync.WaitGroup
	gate := make(chan struct{}, atOnce)
	for i, w := range r.workers {
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			if s.seats[w].call == nil {
				faults[i] = take(ctx, w, made.Invites[i].Code)
				s.record.seated.Add(1)
			} else {
				faults[i] = s.seats[w].call(ctx, "join_conversation", map[string]any{"code": made.Invites[i].Code}, &bridge.JoinResult{})
			}
		})
	}
	wg.Wait()
	s.progress()
	return errors.Join(faults...)
}

// beginStdio starts the coordinator's process. What it gives starts a worker's, which joins.
func (s *stress) beginStdio(ctx context.Context) (take func(context.Context, int, string) error, err error) {
	var mu sync.Mutex // guards s.ends
	start := func(ctx context.Context, at int) error {
		// Its life does not end with the load.
		p, err := Connect(context.WithoutCancel(ctx), s.seats[at].name, apart(s.plan.Program.Command("mcp", "--as", s.seats[at].name)))
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		s.seats[at].call, s.seats[at].ping = p.Call, p.Ping
		s.ends = append(s.ends, p.Leave)
		return nil
	}
	return func(ctx context.Context, at int, code string) error {
		if err := start(ctx, at); err != nil {
			return err
		}
		return s.seats[at].call(ctx, "join_conversation", map[string]any{"code": code}, &bridge.JoinResult{})
	}, start(ctx, coordinator)
}

// beginHTTP finds the hub, or starts one, and connects the coordinator. What it gives gets a worker its token and its seat for a code.
func (s *stress) beginHTTP(ctx context.Context) (take func(context.Context, int, string) error, err error) {
	at, token := s.plan.Server, s.plan.Token
	if at.URL == "" {
		if s.hub, err = ServeWith(ctx, apart(s.plan.Program.Command("serve", "--listen", Anywhere))); err != nil {
			return nil, err
		}
		s.ends = append(s.ends, s.hub.Stop)
		at.URL = s.hub.URL("")
		quiet := s.plan.Program
		quiet.Stderr = nil // it says how long the token is good
		if token, err = quiet.Token(coordinatorName); err != nil {
			return nil, err
		}
	}
	client, err := agent.HubClient(at)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(at.URL)
	if err != nil {
		return nil, err
	}
	wire := client.Transport.(*http.Transport)
	wire.MaxIdleConns, wire.MaxIdleConnsPerHost = 0, 2*s.plan.Agents
	wire.ForceAttemptHTTP2, wire.TLSNextProto = false, map[string]func(string, *tls.Conn) http.RoundTripper{} // agents share no connection
	path := strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/mcp")
	clients := &rest{hub: &Hub{Address: u.Host + path, TLS: u.Scheme == "https"}, http: client}
	s.ends = append(s.ends, func() error { client.CloseIdleConnections(); return nil })
	caller := func(at int, token string) {
		s.seats[at].call = func(ctx context.Context, tool string, arguments, answer any) error {
			if err := clients.call(ctx, token, tool, arguments, answer); err != nil {
				return fmt.Errorf("%s calls %s: %w", s.seats[at].name, tool, err)
			}
			return nil
		}
	}
	caller(coordinator, token)
	return func(ctx context.Context, at int, code string) error {
		seated, _, err := agent.Redeem(ctx, code, rand.Text())
		if err == nil {
			caller(at, seated.Token)
		}
		return err
	}, nil
}

// call calls a tool as [Player.Call] does.
func (r *rest) call(ctx context.Context, token, tool string, arguments, answer any) error {
	res, err := r.send(ctx, token, "", toolCall(tool, arguments))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		return errors.New(res.Status)
	}
	var reply struct {
		Result *struct {
			IsError           bool
			StructuredContent json.RawMessage
		}
		Error *struct{ Message string }
	}
	last, err := lastEvent(res.Body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(last, &reply); err != nil {
		return err
	}
	switch {
	case reply.Error != nil:
		return errors.New(reply.Error.Message)
	case reply.Result == nil:
		return errors.New("the hub's answer holds no result")
	case reply.Result.IsError:
		refusal := &bridge.Error{}
		if err := json.Unmarshal(reply.Result.StructuredContent, refusal); err != nil {
			return err
		}
		return refusal
	}
	return json.Unmarshal(reply.Result.StructuredContent, answer)
}

// stored is how many bytes the store has, without what is not yet in it but in the log beside it; 0 where it is not here.
func (s *stress) stored(ctx context.Context) (bytes int64, err error) {
	if s.plan.Server.URL != "" {
		return 0, nil
	}
	file := filepath.Join(s.plan.Program.Data, "bridge.db")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return 0, nil // on another engine
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.ToSlash(file)}).EscapedPath()+"?_pragma=busy_timeout(10000)")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	var pages, size int64
	err = errors.Join(db.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages), db.QueryRowContext(ctx, "PRAGMA page_size").Scan(&size))
	return pages * size, err
}
