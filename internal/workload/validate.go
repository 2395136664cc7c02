package workload

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

// ValidatePlan says what [Validate] validates, and how.
type ValidatePlan struct {
	// Program is the binary, the data directory and settings. Its agents go without limits, whose row has processes of its own.
	Program Program
	// Deployment says in words what it is.
	Deployment string
	// Own is that the data directory is this run's alone. Elsewhere nothing is done that others there would notice: no timers but the
	// deployment's, and no hub.
	Own bool
	// Token is the orchestrator's at the hub Program.Server. Then what needs the store is left out.
	Token string
	// Compression divides the timers, which the settings of Program hold already; 1: real time.
	Compression float64
	KeepAlive   time.Duration // of row 11
	Poll        time.Duration // how often the one who polls looks, in row 13
	Rows        []string      // those to carry out; nil: all that can be
	Scratch     string        // an empty directory for what other machines would have
	Progress    func(row, text string)
}

// What is not the deployment's timers, by default and in real time: for how long the keep-alive of row 11 is watched, and how often row 13 polls.
const (
	ShortKeepAlive, LongKeepAlive = 30 * time.Second, 90 * time.Minute
	ShortPoll, LongPoll           = 2 * time.Second, 30 * time.Second
)

// Settings are the timers of a deployment of the run's own, all defaults divided by a compression.
func Settings(compression float64) map[string]string {
	set := map[string]string{}
	for key, usual := range map[string]time.Duration{
		"heartbeat": 15 * time.Second, "silent_after": 45 * time.Second, "gone_after": 5 * time.Minute, "idle_after": 3 * time.Minute, "sweep_every": 5 * time.Second,
	} {
		set[key] = time.Duration(float64(usual) / compression).Round(time.Millisecond).String()
	}
	return set
}

// Validate carries out the protocol. A row that fails is no error: [Judge] tells. Where ctx ends, the rows that are not over fail.
//
// Acknowledged are the messages that row audit looked for.
func Validate(ctx context.Context, plan ValidatePlan) (run ValidateRun, seen []Observation, acknowledged []Acknowledged, err error) {
	v := &validation{plan: plan, faults: map[string]string{}, left: map[string]string{}, began: time.Now()}
	if err := v.choose(); err != nil {
		return run, nil, nil, err
	}
	run = ValidateRun{Protocol: ProtocolName, Deployment: plan.Deployment, Compression: plan.Compression, Began: v.began.UTC().Truncate(time.Second)}
	v.prepare()
	if v.wants(crewRows...) {
		v.crew(ctx)
	}
	var wg sync.WaitGroup
	for _, chain := range [][]step{
		{{"authenticate", v.authenticate}},
		{{"limit", v.limit}},
		{{"expiry", v.expiry}},
		{{"9", v.idle}},
		{{"10", v.credentials}, {"12", v.watchdog}, {"11", v.keepAlive}}, // they have a hub at one store, one after another
	} {
		wg.Go(func() {
			for _, s := range chain {
				v.do(ctx, s)
			}
		})
	}
	wg.Wait()
	v.do(ctx, step{"audit", v.audit})
	run.Ended = time.Now().UTC().Truncate(time.Second)
	for _, row := range Protocol() {
		run.Rows = append(run.Rows, RowRun{row.ID, v.left[row.ID], v.faults[row.ID]})
	}
	return run, v.seen, v.acked, nil
}

// Acknowledged is a message that a client was told is stored.
type Acknowledged struct {
	Conversation bridge.ConversationID
	Message      bridge.MessageID
}

const notAskedFor = "it was not asked for"

// step carries out one row.
type step struct {
	row string
	do  func(context.Context) error
}

// crewRows are those of the crew: nine agents in one conversation.
var crewRows = []string{"create", "join", "send", "redact", "reads", "status", "13"}

// validation is one run.
type validation struct {
	plan   ValidatePlan
	p      Program // of agents without limits
	secret *Canaries
	began  time.Time
	left   map[string]string // rows that are left out, and why; settled before the first begins

	mu     sync.Mutex // guards what follows
	seen   []Observation
	faults map[string]string
	acked  []Acknowledged
}

// choose settles which rows are left out.
func (v *validation) choose() error {
	known := map[string]bool{}
	for _, row := range Protocol() {
		known[row.ID] = true
		why := ""
		switch hub, elsewhere := v.plan.Program.Server != "", !v.plan.Own; {
		case len(v.plan.Rows) > 0 && !slices.Contains(v.plan.Rows, row.ID):
			why = notAskedFor
		case hub && slices.Contains([]string{"authenticate", "limit", "expiry", "10", "11", "12", "audit"}, row.ID):
			why = "it needs the hub's own machine: run this there with --data"
		case elsewhere && slices.Contains([]string{"10", "11"}, row.ID):
			why = "it takes a hub down, and your agents may be at yours: run this without --data"
		}
		if why != "" {
			v.left[row.ID] = why
		}
	}
	for _, id := range v.plan.Rows {
		if !known[id] {
			var ids []string
			for _, row := range Protocol() {
				ids = append(ids, row.ID)
			}
			return bridge.Errorf(bridge.Invalid, "the protocol has no row %q", id).WithHint("its rows are %s", strings.Join(ids, ", "))
		}
	}
	if len(v.left) == len(known) {
		return bridge.Errorf(bridge.Invalid, "of the rows that you ask for none can be carried out there").WithHint("leave out --row, or run it without --server and --data")
	}
	return nil
}

func (v *validation) wants(rows ...string) bool {
	return slices.ContainsFunc(rows, func(row string) bool { return v.left[row] == "" })
}

// prepare makes the program of the ordinary agents.
func (v *validation) prepare() {
	v.secret = NewCanaries(uint64(v.began.UnixNano()), messagesWithSecrets)
	v.p = v.plan.Program
	v.p.Env = slices.Concat(v.p.Env, []string{"AGENTBRIDGE_LIMITS=off"}, v.secret.Environ())
}

// do carries out a row. What ends it before its end is its fault.
func (v *validation) do(ctx context.Context, s step) {
	if v.left[s.row] != "" {
		return
	}
	v.tell(s.row, "begins")
	err := context.Cause(ctx)
	if err == nil {
		err = s.do(ctx)
	}
	if err != nil {
		v.fail(s.row, err)
	}
	v.tell(s.row, "over")
}

func (v *validation) tell(row, text string) {
	if v.plan.Progress != nil {
		v.plan.Progress(row, text)
	}
}

func (v *validation) fail(row string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.faults[row] == "" {
		v.faults[row] = strings.Join(strings.Fields(err.Error()), " ")
	}
}

// note adds an observation.
func (v *validation) note(row, series string, value float64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.left[row] == "" {
		v.seen = append(v.seen, Observation{row, series, thousandth(value)})
	}
}

// took adds how long something took, in milliseconds.
func (v *validation) took(row, series string, d time.Duration) {
	v.note(row, series, float64(d)/float64(time.Millisecond))
}

// is adds whether something is so.
func (v *validation) is(row, series string, so bool) {
	value := 0.0
	if so {
		value = 1
	}
	v.note(row, series, value)
}

// name is an agent's: in a deployment that is not the run's own it is nobody else's.
func (v *validation) name(role string) string {
	if v.plan.Own {
		return role
	}
	return fmt.Sprintf("validate-%x-%s", v.began.Unix()&0xffffff, role)
}

// send sends a message to one agent. Within a hub's limits it waits for as long as it is told.
func (v *validation) send(ctx context.Context, from *Player, to, text, key string) (res bridge.SendResult, took time.Duration, err error) {
	arguments := map[string]any{"message": text, "key": key}
	if to != "" {
		arguments["to"] = []string{to}
	}
	for {
		began := time.Now()
		err = from.Call(ctx, "send", arguments, &res)
		took = time.Since(began)
		refusal, ok := errors.AsType[*bridge.Error](err)
		if !ok || refusal.Code != bridge.RateLimited || v.plan.Program.Server == "" {
			break
		}
		if pause(ctx, time.Duration(refusal.RetryAfter)*time.Second); ctx.Err() != nil {
			break
		}
	}
	if err == nil {
		v.acknowledge(res)
	}
	return res, took, err
}

func (v *validation) acknowledge(res bridge.SendResult) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.acked = append(v.acked, Acknowledged{res.Conversation, res.Message})
}

// meet starts agents of this store, all of them in one conversation with the first, each under its name here.
func (v *validation) meet(ctx context.Context, roles ...string) (players []*Player, err error) {
	defer func() {
		if err != nil {
			leave(players)
		}
	}()
	for _, role := range roles {
		p, err := v.start(ctx, v.p, v.name(role))
		if err != nil {
			return players, err
		}
		players = append(players, p)
	}
	_, err = Meet(ctx, players[0], players[1:]...)
	return players, err
}

// start starts an agent whose life does not end with ctx, so that it can leave.
func (v *validation) start(ctx context.Context, p Program, name string) (*Player, error) {
	if p.Server != "" {
		return Connect(context.WithoutCancel(ctx), name, apart(p.Command("mcp", "--as", name, "--server", p.Server)))
	}
	return Connect(context.WithoutCancel(ctx), name, apart(p.Command("mcp", "--as", name)))
}

// leave ends players, all at once. Those that were killed are gone already.
func leave(players []*Player) {
	var wg sync.WaitGroup
	for _, p := range players {
		wg.Go(func() { _ = p.Leave() })
	}
	wg.Wait()
}

// with is a program with further settings, which go before its own.
func (p Program) with(set map[string]string) Program {
	p.Env = slices.Clone(p.Env)
	for _, key := range slices.Sorted(maps.Keys(set)) {
		p.Env = append(p.Env, "AGENTBRIDGE_"+strings.ToUpper(key)+"="+set[key])
	}
	return p
}

// elsewhere makes a directory of another machine.
func (v *validation) elsewhere(name string) (string, error) {
	dir := filepath.Join(v.plan.Scratch, name)
	return dir, os.Mkdir(dir, 0o700)
}
