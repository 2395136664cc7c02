package agent

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
)

// cut says what happens to a connection, once so many bytes went that way.
type cut struct {
	up  bool   // from the agent to the hub; otherwise back
	at  int    // bytes
	how string // see [cuts]
}

// cuts are the ways in which a connection breaks: "reset" tells both ends; "dark" tells nobody, and swallows what comes, as a network does
// that is gone; "late" is dark as well, but what was on its way to the hub arrives when the agent has given up.
var cuts = []string{"reset", "dark", "late"}

const lateBy = 5 * time.Second

func (c cut) String() string {
	way := map[bool]string{true: "to the hub", false: "back"}[c.up]
	return fmt.Sprintf("%s after %d bytes %s", c.how, c.at, way)
}

// cable is a connection that is cut. It counts what went over it.
type cable struct {
	cut        cut
	agent, hub net.Conn

	mu       sync.Mutex // guards all below
	up, down int
	broken   bool
	reached  bool
}

// lay puts the cable between two ends.
func lay(c cut, hub net.Conn) (*cable, net.Conn) {
	here, there := net.Pipe()
	l := &cable{cut: c, agent: there, hub: hub}
	go l.carry(true, l.agent, l.hub, &l.up)
	go l.carry(false, l.hub, l.agent, &l.down)
	return l, here
}

func (l *cable) end() { l.agent.Close(); l.hub.Close() }

// carry moves bytes one way.
func (l *cable) carry(up bool, from, to net.Conn, count *int) {
	b := make([]byte, 4096)
	for {
		n, err := from.Read(b)
		l.mu.Lock()
		pass := n
		if l.broken {
			pass = 0
		} else if l.cut.how != "" && up == l.cut.up && *count+n > l.cut.at {
			pass, l.broken, l.reached = l.cut.at-*count, true, true
			if l.cut.how == "late" && up {
				rest := slices.Clone(b[pass:n])
				go func() {
					time.Sleep(lateBy)
					to.Write(rest)
				}()
			}
		}
		*count += pass
		broken := l.broken
		l.mu.Unlock()
		if pass > 0 {
			if _, err := to.Write(b[:pass]); err != nil && !broken {
				l.end()
				return
			}
		}
		switch {
		case broken && l.cut.how == "reset":
			l.end()
			return
		case broken && err != nil:
			return // the other end hears nothing of it
		case err != nil:
			l.end()
			return
		}
	}
}

// severed is the hub as the bridge of an agent, whose first connection is cut.
func (w *town) severed(token string, c cut) *Remote {
	w.laid = nil
	r := w.far(token)
	r.client.Transport = &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := w.dial(ctx, network, address)
		w.mu.Lock()
		defer w.mu.Unlock()
		if err != nil || w.laid != nil {
			return conn, err
		}
		var here net.Conn
		w.laid, here = lay(c, conn)
		return here, nil
	}}
	return r
}

// bare is the text between the marks of a frame.
func bare(framed string) string {
	_, rest, _ := strings.Cut(framed, "\n")
	return rest[:max(0, strings.LastIndex(rest, "\n"))]
}

// What an agent does comes out the same wherever and however its connection breaks: done once, and nothing lost.
func TestCuts_NothingIsLostAndNothingIsDoneTwice(t *testing.T) {
	for _, o := range ordeals {
		for _, how := range cuts {
			t.Run(o.name+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { o.run(t, how) })
			})
		}
	}
}

// run cuts the first connection of one try after the other, further and further on, until a whole one goes through.
func (o ordeal) run(t *testing.T, how string) {
	w := newTownFor(t, func(c *bridge.Config) { c.Limits, c.LoopGuard, c.TokenTTL = bridge.NoLimits, false, 300*time.Hour })
	w.startAll()
	t.Cleanup(w.stop)
	n := 0
	stride, least := 7, 20 // a stride of 1 passes, too, and takes seven times as long
	if testing.Short() {   // under the race detector everything takes longer
		stride, least = 67, 8
	}
	for _, up := range []bool{true, false} {
		for at := 0; ; at += stride {
			c := cut{up, at, how}
			far := w.severed(w.token, c)
			if err := o.try(w, n, far); err != nil {
				t.Fatalf("%s: %v", c, err)
			}
			n++
			synctest.Wait()
			time.Sleep(2 * lateBy) // and now it arrives
			bye, cancel := context.WithTimeout(w.ctx, farewell)
			far.forget(w.receipt)
			if err := far.Close(bye, bridge.Caller{}); err != nil {
				t.Fatalf("%s: close: %v", c, err)
			}
			cancel()
			w.laid.end()
			if !w.laid.reached {
				break
			}
		}
	}
	if n < least {
		t.Fatalf("only %d cuts", n)
	}
	if o.judge == nil {
		return
	}
	if err := o.judge(w, n); err != nil {
		t.Error(err)
	}
}

// partition breaks all connections in the dark, and lets nothing new come about for so long.
func (w *town) partition(d time.Duration) {
	w.mu.Lock()
	for _, l := range w.cables {
		l.mu.Lock()
		l.broken = true
		l.mu.Unlock()
	}
	w.cables, w.apart = nil, true
	w.mu.Unlock()
	time.Sleep(d)
	w.mu.Lock()
	w.apart = false
	w.mu.Unlock()
}

// reach dials the hub as over a network that may be partitioned.
func (w *town) reach(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	apart := w.apart
	w.mu.Unlock()
	if apart {
		<-ctx.Done() // worse than TCP, which would try again
		return nil, ctx.Err()
	}
	conn, err := w.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l, here := lay(cut{how: "dark", at: 1 << 40}, conn)
	w.t.Cleanup(l.end)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cables = append(w.cables, l)
	return here, nil
}

func TestCuts_AfterAPartitionMessagesFlowWithinThreeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTownFor(t, func(c *bridge.Config) { c.Limits, c.LoopGuard, c.TokenTTL = bridge.NoLimits, false, 300*time.Hour })
		w.startAll()
		t.Cleanup(w.stop)
		far := w.far(w.token)
		transport := far.hub.client.Transport.(*http.Transport)
		transport.DialContext = w.reach
		far = NewRemote(far.hub, RemoteOptions{Redact: w.svc.Redact})
		n, worst := 0, time.Duration(0)
		step := 290
		if testing.Short() {
			step = 2900
		}
		for ms := 1000; ms <= 30_000; ms += step {
			got := make(chan error, 1)
			go func() { got <- w.next(far, n, 4*time.Minute) }()
			time.Sleep(time.Duration(ms%1999) * time.Millisecond) // anywhere between two signs of life
			healed := make(chan time.Time, 1)
			go func() { w.partition(time.Duration(ms) * time.Millisecond); healed <- time.Now() }()
			time.Sleep(500 * time.Millisecond)
			if err := w.tell(n); err != nil {
				t.Fatal(err)
			}
			end := <-healed
			if err := <-got; err != nil {
				t.Fatalf("a partition of %d ms: %v", ms, err)
			}
			worst = max(worst, time.Since(end))
			n++
		}
		if worst > 3*time.Second {
			t.Errorf("after one of %d partitions it took %v", n, worst)
		}
		t.Logf("%d partitions, the slowest was over after %v", n, worst)
		if err := w.allAcked(n); err != nil {
			t.Error(err)
		}
	})
}
