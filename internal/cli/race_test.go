package cli

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/policy"
)

// try does something many times at once, once a line comes in, and says how many tries succeeded and how many were refused as a conflict
// or found nothing to do.
func try(in io.Reader, out io.Writer, tries int, do func(i int) (done bool, err error)) error {
	fmt.Fprintln(out, "ready")
	if _, err := bufio.NewReader(in).ReadString('\n'); err != nil {
		return err
	}
	var yes, no atomic.Int64
	var wg sync.WaitGroup
	for i := range tries {
		wg.Go(func() {
			done, err := do(i)
			switch {
			case done:
				yes.Add(1)
			case err == nil || bridge.AsError(err).Code == bridge.Conflict:
				no.Add(1)
			}
		})
	}
	wg.Wait()
	_, err := fmt.Fprintln(out, yes.Load(), no.Load())
	return err
}

// race has processes of this binary try at the same time, and adds up what they say.
func race(t *testing.T, program string, processes int, args func(i int) []string) (yes, no int) {
	t.Helper()
	type racer struct {
		in  io.WriteCloser
		out *bufio.Scanner
	}
	var racers []racer
	for i := range processes {
		cmd := exec.Command(os.Args[0], args(i)...)
		cmd.Args[0], cmd.Stderr = program, os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close(); cmd.Wait() })
		racers = append(racers, racer{in, bufio.NewScanner(out)})
	}
	for _, r := range racers {
		if !r.out.Scan() {
			t.Fatal("a process ended early")
		}
	}
	for _, r := range racers {
		io.WriteString(r.in, "go\n")
	}
	for _, r := range racers {
		var done, refused int
		if !r.out.Scan() {
			t.Fatal("a process ended early")
		}
		if _, err := fmt.Sscan(r.out.Text(), &done, &refused); err != nil {
			t.Fatal(err)
		}
		yes, no = yes+done, no+refused
	}
	return yes, no
}

// raceKey is the person's key of the race for a command.
var raceKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

func raceSign(what []byte) ([]byte, error) { return ed25519.Sign(raceKey, what), nil }

// begin is another process that approves a command, or begins what is approved, many times at once: DIR approve|start ID TRIES.
func begin(args []string, in io.Reader, out io.Writer) error {
	ctx := context.Background()
	p := &program{data: args[0], stdout: io.Discard, stderr: io.Discard}
	o, err := p.open(ctx, existing)
	if err != nil {
		return err
	}
	defer o.close()
	var tries int
	if _, err := fmt.Sscan(args[3], &tries); err != nil {
		return err
	}
	shown, err := o.svc.FindCommand(ctx, bridge.CommandID(args[2]))
	if err != nil {
		return err
	}
	return try(in, out, tries, func(int) (bool, error) {
		if args[1] == "approve" {
			err := o.svc.ApproveCommand(ctx, shown, raceSign)
			return err == nil, err
		}
		_, ok, err := o.svc.StartCommand(ctx, o.store.Instance(), func(bridge.Permit) bool { return true })
		return ok, err
	})
}

func TestCommand_IsApprovedOnceAndBegunOnceInTenThousandTriesOfFourProcesses(t *testing.T) {
	processes, tries := 4, 2500
	if testing.Short() {
		tries /= 10
	}
	t.Setenv("AGENTBRIDGE_LIMITS", "off")
	dir := dataPath(t)
	alpha, beta := connect(t, dir, "alpha"), connect(t, dir, "beta")
	meet(t, alpha, beta)
	o := openStore(t, dir)
	id, err := o.conversation(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = o.svc.EnableCommands(t.Context(), bridge.EnableRequest{
		Conversation: id, Mode: policy.Safe, Workspace: "/work", For: time.Hour, Key: raceKey.Public().(ed25519.PublicKey), Sign: raceSign,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.svc.ServePermits(t.Context(), func(bridge.Permit) bool { return true }); err != nil {
		t.Fatal(err)
	}
	var asked bridge.CommandView
	if err := alpha.Call(t.Context(), "run_command", map[string]any{"command": "ls", "wait_seconds": 0}, &asked); err != nil {
		t.Fatal(err)
	}
	for _, phase := range []string{"approve", "start"} {
		start := time.Now()
		yes, no := race(t, "begin", processes, func(int) []string { return []string{dir, phase, string(asked.ID), fmt.Sprint(tries)} })
		t.Logf("%s: %d tries of %d processes in %s: %d succeeded", phase, processes*tries, processes, time.Since(start).Round(time.Millisecond), yes)
		if yes != 1 || no != processes*tries-1 {
			t.Errorf("%s: %d tries succeeded and %d were refused, want 1 and %d", phase, yes, no, processes*tries-1)
		}
	}
}
