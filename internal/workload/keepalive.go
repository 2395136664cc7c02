package workload

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"agentbridge/internal/bridge"
)

// KeepAliveReport is what [KeepAlive] saw. Unnoticed and Faults are empty where every promise held.
type KeepAliveReport struct {
	Kills, Stops int // of the hub
	Sent         int // messages, and how many of them the command was told of
	Noticed      int
	Reads        int      // how often all were read in between
	Runs         int      // of the command
	Took         Sample   // from a send's answer to the command that was told of it
	Unnoticed    []string // messages that nobody was told of
	Faults       []string // what else was not as promised
	Said         []string // by the keep-alive
}

// noticeWithin is how long a message may go unnoticed, whatever happened to the hub.
const noticeWithin = time.Minute

// KeepAlive has a process of `agentbridge keepalive` watch a hub for an agent, for that long, while the hub is killed or stopped and started
// again so many times, and another agent sends messages at random moments, also while the hub is away. Sometimes all are read, so that the
// count begins anew. At the end the keep-alive must still be there, and its token must still be good.
func KeepAlive(ctx context.Context, p Program, total time.Duration, restarts int) (rep KeepAliveReport, err error) {
	hub, err := p.Serve(ctx, Anywhere)
	if err != nil {
		return rep, err
	}
	// The sender works on the store itself: it goes on while the hub is away.
	alpha, err := p.Play(ctx, "alpha")
	if err != nil {
		hub.Kill()
		return rep, err
	}
	defer func() { err = errors.Join(err, alpha.Leave()) }()
	w := watching{p: p, alpha: alpha, file: filepath.Join(p.Data, "noticed")}
	if err := w.meet(ctx); err != nil {
		hub.Kill()
		return rep, err
	}
	kept, said, err := w.start(hub)
	if err != nil {
		hub.Kill()
		return rep, err
	}
	outage := &outage{p: p, hub: hub, restarts: restarts, total: total}
	over := make(chan error, 1)
	go func() { over <- outage.run(ctx) }()
	err = w.send(ctx, total)
	err = errors.Join(err, <-over)
	w.await(ctx, noticeWithin)

	rep = w.report()
	rep.Kills, rep.Stops = outage.kills, outage.stops
	if err == nil {
		if token := w.as("partners"); token.Run() != nil {
			rep.Faults = append(rep.Faults, "the token is not good any more")
		}
	}
	kept.Process.Signal(os.Interrupt)
	rep.Said = said()
	if e := kept.Wait(); e != nil {
		rep.Faults = append(rep.Faults, fmt.Sprintf("the keep-alive ended with %v", e))
	}
	if _, e := os.Stat(w.elsewhere()); !errors.Is(e, fs.ErrNotExist) {
		rep.Faults = append(rep.Faults, "the keep-alive of a hub made a data directory")
	}
	if outage.hub != nil {
		err = errors.Join(err, outage.hub.Stop())
	}
	return rep, err
}

// watching is the story of one keep-alive: what was sent, and what its command was told.
type watching struct {
	p     Program
	alpha *Player
	token string // beta's
	file  string // the command writes a line for each run: how many messages wait

	sent    []time.Time     // when each message was stored
	took    []time.Duration // how long it took until the command was told of it; shorter than sent: of the rest nobody was told
	read    int             // how many of them were read
	reads   int
	runs    int
	faults  []string
	scanned int64 // of the file
}

// meet puts alpha and beta into one conversation. beta is an agent of elsewhere, which has nothing but a token.
func (w *watching) meet(ctx context.Context) (err error) {
	if w.token, err = w.p.Token("beta"); err != nil {
		return err
	}
	var made bridge.CreateResult
	partners := []any{map[string]any{"name": "beta", "role": "worker"}}
	if err := w.alpha.Call(ctx, "create_conversation", map[string]any{"role": "lead", "partners": partners}, &made); err != nil {
		return err
	}
	return w.as("join", made.Invites[0].Code).Run()
}

// as prepares a run of the program as beta.
func (w *watching) as(args ...string) *exec.Cmd {
	cmd := w.p.Command(args...)
	cmd.Env = append(cmd.Env, "AGENTBRIDGE_TOKEN="+w.token, "NOTICED="+w.file)
	return cmd
}

// elsewhere is the data directory of a machine that has none.
func (w *watching) elsewhere() string { return filepath.Join(w.p.Data, "elsewhere") }

// start starts the keep-alive, which sees nothing of the store. said gives what it said, once it ended.
func (w *watching) start(hub *Hub) (kept *exec.Cmd, said func() []string, err error) {
	kept = w.as("--data", w.elsewhere(), "keepalive", "--server", hub.URL(""), "--on-message", `echo "$AGENTBRIDGE_UNREAD" >> "$NOTICED"`)
	kept.Stderr = nil
	stderr, err := kept.StderrPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := kept.Start(); err != nil {
		return nil, nil, err
	}
	var lines []string
	var reading sync.WaitGroup
	reading.Go(func() {
		for s := bufio.NewScanner(stderr); s.Scan(); {
			lines = append(lines, s.Text())
			fmt.Fprintln(orNowhere(w.p.Stderr), s.Text())
		}
	})
	return kept, func() []string { reading.Wait(); return lines }, nil
}

// send sends messages at random moments for so long, and sometimes has all read that the keep-alive has noticed.
func (w *watching) send(ctx context.Context, total time.Duration) error {
	longest := min(max(total/100, 200*time.Millisecond), 20*time.Second)
	for end := time.Now().Add(total); time.Now().Before(end) && ctx.Err() == nil; {
		for range 1 + rand.IntN(3) {
			text := fmt.Sprintf("message %d", len(w.sent))
			if _, err := w.alpha.Send(ctx, text, text); err != nil {
				return err
			}
			w.sent = append(w.sent, time.Now())
		}
		switch rand.IntN(3) {
		case 0:
			w.await(ctx, noticeWithin)
			if err := w.readAll(); err != nil {
				return err
			}
		case 1:
			w.wait(ctx, rand.N(longest))
		}
	}
	return ctx.Err()
}

// readAll has beta read everything, if all was noticed.
func (w *watching) readAll() error {
	if len(w.took) < len(w.sent) {
		return nil
	}
	for w.read < len(w.sent) {
		out, err := w.as("check", "--json").Output()
		if err != nil {
			return fmt.Errorf("beta reads: %w", err)
		}
		n := strings.Count(string(out), `"message_id"`)
		if n == 0 {
			w.faults = append(w.faults, fmt.Sprintf("only %d of %d messages came", w.read, len(w.sent)))
			w.read = len(w.sent)
		}
		w.read += n
	}
	w.reads++
	return nil
}

// wait lets time go by.
func (w *watching) wait(ctx context.Context, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; {
		pause(ctx, min(20*time.Millisecond, time.Until(end)))
		w.look()
	}
}

// await waits until the command was told of everything.
func (w *watching) await(ctx context.Context, longest time.Duration) {
	for end := time.Now().Add(longest); len(w.took) < len(w.sent) && time.Now().Before(end) && ctx.Err() == nil; {
		pause(ctx, 20*time.Millisecond)
		w.look()
	}
}

// look takes what the command was told since the last look. A run that was told of n messages was told of the n after those that
// were read.
func (w *watching) look() {
	text, err := os.ReadFile(w.file)
	if err != nil {
		return // not run yet
	}
	if int64(len(text)) < w.scanned {
		w.faults, w.scanned = append(w.faults, "somebody else wrote or removed "+w.file), 0
		return
	}
	fresh := string(text[w.scanned:])
	fresh = fresh[:strings.LastIndex(fresh, "\n")+1] // the last line may be on its way
	w.scanned += int64(len(fresh))
	for line := range strings.Lines(fresh) {
		n, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil || n < 1 || w.read+n > len(w.sent) {
			w.faults = append(w.faults, fmt.Sprintf("the command was told %q with %d unread", line, len(w.sent)-w.read))
			continue
		}
		w.runs++
		for i := len(w.took); i < w.read+n; i++ {
			w.took = append(w.took, time.Since(w.sent[i]))
		}
	}
}

func (w *watching) report() KeepAliveReport {
	rep := KeepAliveReport{Sent: len(w.sent), Noticed: len(w.took), Reads: w.reads, Runs: w.runs, Took: w.took, Faults: w.faults}
	for i := len(w.took); i < len(w.sent); i++ {
		rep.Unnoticed = append(rep.Unnoticed, fmt.Sprintf("message %d", i))
	}
	return rep
}

// outage takes a hub down and up again, at random moments.
type outage struct {
	p            Program
	hub          *Hub // nil: it did not come up again
	restarts     int
	total        time.Duration
	kills, stops int
}

func (o *outage) run(ctx context.Context) error {
	each := o.total / time.Duration(o.restarts+1)
	for n := range o.restarts {
		pause(ctx, each/2+rand.N(each))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if n%2 == 0 {
			o.hub.Kill()
			o.kills++
		} else {
			if err := o.hub.process.Process.Signal(syscall.SIGTERM); err != nil {
				return err
			}
			if err := o.hub.wait(); err != nil {
				return err
			}
			o.stops++
		}
		pause(ctx, rand.N(min(each/4, 5*time.Second)))
		hub, err := o.p.Serve(ctx, o.hub.Address)
		if o.hub = hub; err != nil {
			return err
		}
	}
	return nil
}
