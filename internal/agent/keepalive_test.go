package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
	"agentbridge/internal/mcpserver"
	"agentbridge/internal/redact"
	"agentbridge/internal/sqlite"
)

// town is a bridge in memory with alpha and beta in one conversation, a hub over it on pipes, and a keep-alive of beta.
type town struct {
	t           *testing.T
	ctx         context.Context
	svc         *bridge.Service
	alpha, beta bridge.Caller
	token       string        // beta's
	betaFar     bridge.Caller // beta as it comes over HTTP
	id          bridge.ConversationID

	receipt bridge.Receipt // of the batch that beta took last
	laid    *cable         // the last that was cut
	cables  []*cable       // that a partition breaks
	apart   bool           // nothing goes through
	handler func(context.Context, *mcp.ResourceUpdatedNotificationRequest)

	mu     sync.Mutex // guards all below
	up     func()     // takes the hub down; nil: it is down
	accept chan net.Conn
	silent bool // the hub accepts and never answers
	dials  []time.Time
	lines  []string
	told   []int // what OnMessage was called with
	calls  []time.Time
	fail   bool // OnMessage fails
}

func newTown(t *testing.T) *town { return newTownFor(t, nil) }

// newTownFor is a town with other settings.
func newTownFor(t *testing.T, set func(*bridge.Config)) *town {
	t.Helper()
	w := emptyTown(t, set)
	w.alpha, _ = w.agent("alpha")
	w.beta, w.token = w.agent("beta")
	made, err := w.svc.Create(w.ctx, w.alpha, bridge.CreateRequest{Partners: []bridge.Partner{{Name: "beta"}}, TTLMinutes: 24 * 60})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.svc.Join(w.ctx, w.beta, bridge.JoinRequest{Code: made.Invites[0].Code}); err != nil {
		t.Fatal(err)
	}
	w.id = made.Conversation
	if w.betaFar, err = w.svc.Authenticate(w.ctx, w.token, bridge.Origin{}); err != nil {
		t.Fatal(err)
	}
	return w
}

// emptyTown is a bridge in memory with nobody in it.
func emptyTown(t *testing.T, set func(*bridge.Config)) *town {
	t.Helper()
	store, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	scanner, err := redact.New(redact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	conf := bridge.Defaults()
	if set != nil {
		set(&conf)
	}
	svc, err := bridge.New(t.Context(), store, bridge.Options{Config: conf, Keys: bridge.NewKeyRing(), Scanner: scanner})
	if err != nil {
		t.Fatal(err)
	}
	return &town{t: t, ctx: context.WithoutCancel(t.Context()), svc: svc, accept: make(chan net.Conn)}
}

func (w *town) agent(name string) (bridge.Caller, string) {
	token, _, err := w.svc.NewAgent(w.ctx, name, true)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := w.svc.Authenticate(w.ctx, token, bridge.Origin{Instance: bridge.Instance("proc_" + name), Local: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return c, token
}

// Accept, Close, Addr and dial are a network within the process, so that it can be in a bubble.
func (w *town) Accept() (net.Conn, error) {
	if c, ok := <-w.accept; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (w *town) Close() error   { return nil }
func (w *town) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (w *town) dial(context.Context, string, string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dials = append(w.dials, time.Now())
	here, there := net.Pipe()
	switch {
	case w.silent:
		w.t.Cleanup(func() { there.Close() })
		go func() {
			for b := make([]byte, 1024); ; {
				if _, err := there.Read(b); err != nil {
					return
				}
			}
		}()
	case w.up == nil:
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	default:
		w.accept <- there
	}
	return here, nil
}

// start brings the hub up.
func (w *town) start() {
	server := mcpserver.New(w.svc, mcpserver.Options{})
	w.serve(server.KeepAlive().ServeHTTP, server.Close)
}

// serve brings something up where the hub should be.
func (w *town) serve(answer http.HandlerFunc, end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	srv := &http.Server{Handler: answer}
	accept, ended := make(chan net.Conn), make(chan struct{})
	w.accept = accept
	go func() { defer close(ended); srv.Serve(w) }()
	w.up = func() {
		close(accept)
		end()
		srv.Close()
		<-ended
	}
}

// stop takes the hub down.
func (w *town) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.up()
	w.up = nil
}

// local is the store as the source.
func (w *town) local() Source {
	return Local{Service: w.svc, Caller: w.beta, Log: slog.New(slog.DiscardHandler)}
}

// remote is the hub as the source.
func (w *town) remote() Source {
	h, err := NewHub(bridge.HubAddress{URL: "http://127.0.0.1:7483/mcp"}, w.token, 15*time.Second)
	if err != nil {
		w.t.Fatal(err)
	}
	h.client.Transport = &http.Transport{DialContext: w.dial}
	return h
}

// keep runs the keep-alive, and gives what ends it and gives its error.
func (w *town) keep(from Source) (end func() error) {
	ctx, cancel := context.WithCancel(w.ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- KeepAlive(ctx, KeepAliveOptions{From: from, Name: "beta", OnMessage: w.onMessage, Say: w.say})
	}()
	end = sync.OnceValue(func() error { cancel(); return <-ended })
	w.t.Cleanup(func() { end() })
	return end
}

func (w *town) say(line string, news bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if news {
		w.lines = append(w.lines, line)
	}
}

func (w *town) onMessage(_ context.Context, now bridge.KeepAlive) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told, w.calls = append(w.told, now.Unread), append(w.calls, time.Now())
	if w.fail {
		return errors.New("the command failed: exit status 7")
	}
	return nil
}

// wantTold waits a moment and compares what the command was called with.
func (w *town) wantTold(when string, want ...int) {
	w.t.Helper()
	time.Sleep(2 * time.Second)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.told, want) {
		w.t.Errorf("%s: told %v, want %v", when, w.told, want)
	}
}

func (w *town) send(n int) {
	w.t.Helper()
	for range n {
		if _, err := w.svc.Send(w.ctx, w.alpha, bridge.SendRequest{Message: "hello"}); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *town) read() {
	w.t.Helper()
	if _, err := w.svc.Check(w.ctx, w.beta, bridge.CheckRequest{}); err != nil {
		w.t.Fatal(err)
	}
}

// seen is how beta looks to the others.
func (w *town) seen() bridge.PartnerState {
	w.t.Helper()
	list, err := w.svc.List(w.ctx, true)
	if err != nil {
		w.t.Fatal(err)
	}
	view, err := w.svc.Show(w.ctx, list[0].Conversation)
	if err != nil {
		w.t.Fatal(err)
	}
	return view.Roster[slices.IndexFunc(view.Roster, func(m bridge.PartnerState) bool { return m.Name == "beta" })]
}

// sources runs a story over the store and over a hub that is up.
func sources(t *testing.T, story func(t *testing.T, w *town, from Source)) {
	for _, kind := range []string{"store", "hub"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t)
				from := w.local()
				if kind == "hub" {
					w.start()
					defer w.stop()
					from = w.remote()
				}
				story(t, w, from)
			})
		})
	}
}

func TestKeepAlive_TellsOfEveryMessageOnce(t *testing.T) {
	sources(t, func(t *testing.T, w *town, from Source) {
		w.send(1)
		end := w.keep(from)
		w.wantTold("of what waits already", 1)
		w.send(1)
		w.wantTold("one more", 1, 2)
		time.Sleep(time.Minute)
		w.wantTold("nothing new", 1, 2)
		w.read()
		w.send(1)
		w.wantTold("one that came just after others were read", 1, 2, 1)
		time.Sleep(time.Minute)
		w.wantTold("nothing new again", 1, 2, 1)
		if err := end(); err != nil {
			t.Errorf("ended: %v, want no error", err)
		}
	})
}

func TestKeepAlive_RemindsWhileMessagesWait(t *testing.T) {
	sources(t, func(t *testing.T, w *town, from Source) {
		w.send(2)
		defer w.keep(from)()
		time.Sleep(25 * time.Minute)
		w.wantTold("not read for 25 minutes", 2, 2, 2)
		w.read()
		time.Sleep(time.Hour)
		w.wantTold("read, and an hour went by", 2, 2, 2)
		w.send(1)
		w.wantTold("another", 2, 2, 2, 1)
	})
}

func TestKeepAlive_TriesAFailedCommandAgainEverLater(t *testing.T) {
	sources(t, func(t *testing.T, w *town, from Source) {
		w.fail = true
		defer w.keep(from)()
		w.send(1)
		time.Sleep(time.Hour)
		w.mu.Lock()
		var pauses []time.Duration
		for i := range len(w.calls) - 1 {
			pauses = append(pauses, w.calls[i+1].Sub(w.calls[i]))
		}
		lines := strings.Join(w.lines, "\n")
		w.fail = false
		calls := len(w.calls)
		w.mu.Unlock()
		if calls < 12 || calls > 25 || slices.Min(pauses) < 5*time.Second || slices.Max(pauses) > 5*time.Minute || pauses[0] > 8*time.Second {
			t.Errorf("in an hour %d tries, with pauses of %v; want them from 5 s to 5 min", calls, pauses)
		}
		if !strings.Contains(lines, "1 unread: the command failed: exit status 7, trying again in ") {
			t.Errorf("said\n%s", lines)
		}
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.calls) != calls+1 || !strings.HasSuffix(w.lines[len(w.lines)-1], "1 unread: ran the command") {
			t.Errorf("once it works: %d more calls, want 1; said %q", len(w.calls)-calls, w.lines[len(w.lines)-1])
		}
	})
}

func TestKeepAlive_NeverRunsTwoCommandsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		var running, most, runs int
		ctx, cancel := context.WithCancel(w.ctx)
		ended := make(chan error)
		go func() {
			ended <- KeepAlive(ctx, KeepAliveOptions{From: w.local(), OnMessage: func(ctx context.Context, now bridge.KeepAlive) error {
				w.mu.Lock()
				running++
				runs++
				most = max(most, running)
				w.told = append(w.told, now.Unread)
				w.mu.Unlock()
				time.Sleep(20 * time.Second)
				w.mu.Lock()
				running--
				w.mu.Unlock()
				return nil
			}})
		}()
		for range 10 {
			w.send(1)
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if most != 1 || runs != 2 || w.told[1] != 10 {
			t.Errorf("%d runs, at most %d at once, told %v; want one for the first, and one for the nine that came meanwhile", runs, most, w.told)
		}
	})
}

func TestKeepAlive_ShowsThatTheAgentIsThereAndIsNoProgress(t *testing.T) {
	sources(t, func(t *testing.T, w *town, from Source) {
		stop := sweeping(w.svc)
		defer stop()
		end := w.keep(from)
		time.Sleep(7 * time.Hour) // more than two lives of a token
		synctest.Wait()
		if got := w.seen(); got.Liveness != bridge.Idle || got.LastSeen == nil || *got.LastSeen > 20 {
			t.Errorf("after 7 hours: %s, seen %v s ago; want idle, and seen just now", got.Liveness, got.LastSeen)
		}
		if _, err := w.svc.Authenticate(w.ctx, w.token, bridge.Origin{}); err != nil {
			t.Errorf("after 7 hours the token: %v, want it renewed", err)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

// sweeping sweeps every few seconds, as a hub does.
func sweeping(svc *bridge.Service) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-time.After(10 * time.Second):
				svc.Sweep(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

// Whoever starts keep-alives again and again, as a service manager does, does not make an idle agent look alive.
func TestKeepAlive_BeginningIsNoProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		time.Sleep(time.Hour)
		for n := range 3 {
			w.beta.Instance = bridge.Instance(fmt.Sprint("proc_keepalive", n))
			end := w.keep(w.local())
			time.Sleep(20 * time.Second)
			if got := w.seen(); got.Liveness != bridge.Idle {
				t.Errorf("start %d: beta is %s, want idle", n, got.Liveness)
			}
			end()
		}
	})
}

func TestKeepAlive_RevokedTokenEndsItAtOnce(t *testing.T) {
	sources(t, func(t *testing.T, w *town, from Source) {
		ended := make(chan error, 1)
		go func() { ended <- KeepAlive(w.ctx, KeepAliveOptions{From: from}) }()
		time.Sleep(time.Minute)
		start := time.Now()
		if err := w.svc.RevokeToken(w.ctx, w.beta.Token()); err != nil {
			t.Fatal(err)
		}
		err := <-ended
		if took := time.Since(start); !errors.Is(err, bridge.Denied) || bridge.AsError(err).Hint == "" || took > 2*time.Second {
			t.Errorf("%v after %v, want denied with a hint, at once", err, took)
		}
	})
}

func TestKeepAlive_ExpiredTokenEndsItWithAHint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.start()
		defer w.stop()
		time.Sleep(4 * time.Hour)
		err := KeepAlive(w.ctx, KeepAliveOptions{From: w.remote()})
		if !errors.Is(err, bridge.Expired) || !strings.Contains(bridge.AsError(err).Hint, "renew") {
			t.Errorf("%v, want expired and how to renew", err)
		}
	})
}

func TestKeepAlive_LocalTokenThatExpiredMeanwhileIsExtended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		time.Sleep(4 * time.Hour) // as a machine sleeps
		end := w.keep(w.local())
		time.Sleep(time.Minute)
		if err := end(); err != nil {
			t.Errorf("%v, want it to go on", err)
		}
	})
}

func TestKeepAlive_TokenOfAnotherIsRefused(t *testing.T) {
	sources(t, func(t *testing.T, w *town, from Source) {
		err := KeepAlive(w.ctx, KeepAliveOptions{From: from, Name: "gamma"})
		if !errors.Is(err, bridge.Invalid) || !strings.Contains(err.Error(), "beta") || !strings.Contains(err.Error(), "gamma") {
			t.Errorf("%v, want invalid, and whose it is", err)
		}
	})
}

func TestKeepAlive_NoticesWhatCameWhileTheHubWasAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		defer w.keep(w.remote())()
		time.Sleep(time.Minute)
		w.start()
		time.Sleep(30 * time.Second)
		w.send(1)
		w.wantTold("connected", 1)
		for n := range 3 {
			w.stop()
			w.send(1)
			time.Sleep(time.Duration(n) * time.Second)
			w.start()
			time.Sleep(30 * time.Second)
		}
		w.wantTold("three restarts, a message in each", 1, 2, 3, 4)
		w.stop()
		w.read()
		w.send(4)
		w.start()
		time.Sleep(30 * time.Second)
		w.wantTold("as many as before, but others", 1, 2, 3, 4, 4)
		w.stop()
		w.mu.Lock()
		defer w.mu.Unlock()
		var about []string
		for _, line := range w.lines {
			line, _, _ = strings.Cut(line, ", trying")
			about = append(about, line)
		}
		want := []string{
			"hub away (connection refused)", "connected to http://127.0.0.1:7483 as beta, 0 unread",
			"1 unread: ran the command",
		}
		if len(about) < len(want) || !slices.Equal(about[:len(want)], want) {
			t.Errorf("said first\n%s\nwant\n%s", strings.Join(about, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestKeepAlive_PausesGrowUntilAConnectionHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		defer w.keep(w.remote())()
		time.Sleep(10 * time.Minute)
		pauses := func() (list []time.Duration) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for i := range len(w.dials) - 1 {
				list = append(list, w.dials[i+1].Sub(w.dials[i]))
			}
			return list
		}
		away := pauses()
		if slices.Min(away) < 500*time.Millisecond || slices.Max(away) > 10*time.Second || away[0] > time.Second || slices.Min(away[6:]) < 6*time.Second {
			t.Errorf("pauses of a hub that is away: %v; want them to grow from 0.5 s to 10 s", away)
		}
		w.start()
		time.Sleep(time.Minute)
		w.stop()
		time.Sleep(time.Second)
		synctest.Wait()
		again := pauses()
		if last := again[len(again)-1]; last < time.Minute/2 || len(again) < len(away)+2 {
			t.Errorf("after a minute's connection it was not tried again within a second: %v", again[len(away):])
		}
	})
}

func TestKeepAlive_LeavesAHubThatFallsOverAtOnceAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.serve(answer(200, "text/event-stream", `data: {"name":"beta"}`+"\n\n"), func() {}) // and that is all
		defer w.keep(w.remote())()
		time.Sleep(10 * time.Minute)
		w.mu.Lock()
		n := len(w.dials)
		w.mu.Unlock()
		w.stop()
		if n > 100 {
			t.Errorf("%d connections in ten minutes, want pauses up to 10 s", n)
		}
	})
}

func TestKeepAlive_LeavesAHubThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.silent = true
		defer w.keep(w.remote())()
		time.Sleep(46 * time.Second)
		synctest.Wait()
		w.mu.Lock()
		w.silent = false
		if len(w.dials) != 2 || !strings.HasPrefix(w.lines[0], "hub away (no sign of life)") {
			t.Errorf("after three heartbeats of 15 s: %d connections, said %q", len(w.dials), w.lines)
		}
		w.mu.Unlock()
		w.start()
		defer w.stop()
		w.send(1)
		time.Sleep(time.Minute)
		w.wantTold("the hub is back", 1)
	})
}

func TestKeepAlive_LeavesAHubThatFallsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		var n int
		from := w.remote().(*Hub)
		from.client.Transport = &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			n++
			here, there := net.Pipe()
			t.Cleanup(func() { there.Close() })
			go func() {
				there.Read(make([]byte, 4096))
				fmt.Fprintf(there, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {\"name\":\"beta\",\"heartbeat_seconds\":2}\n\n")
				fmt.Fprintf(there, ": half a comm")
			}()
			return here, nil
		}}
		defer w.keep(from)()
		time.Sleep(6500 * time.Millisecond)
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		if n != 1 || len(w.lines) != 2 || !strings.HasPrefix(w.lines[1], "hub away (no sign of life)") {
			t.Errorf("6.5 s into a connection that fell silent, with a heartbeat of 2 s: said %q", w.lines)
		}
	})
}
