package storetest

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"agentbridge/internal/bridge"
)

func faultPromises() []promise {
	return []promise{
		{"Faulty_BreaksEveryWriteAndCommitTwice", faultyBreaks},
		{"Faulty_SwallowedErrorLosesTheTransaction", faultySwallowed},
		{"Faulty_KnowsEveryWrite", faultyKnows},
		{"Faulty_RetriesEndWell", faultyRetries},
	}
}

func faultyBreaks(t *testing.T, e Engine) {
	for point, c := range []struct {
		what string
		kept bool
	}{{"PutMeta", false}, {"Charge", false}, {"commit", false}, {"answer", true}} {
		s := e.start(t)
		var reached []string
		broken := Faulty(s, func(n int, what string) bool {
			reached = append(reached, what)
			return n == point
		})
		update := func(tx bridge.Tx) error {
			return first(func() error { return tx.PutMeta("key", []byte("x")) }, func() error { return tx.Charge(accounts[0], 0, 9) })
		}
		if err := broken.Update(t.Context(), bridge.Deployment, update); !errors.Is(err, bridge.Unavailable) {
			t.Errorf("Update with %s broken = %v, want unavailable", c.what, err)
		}
		if got := reached[len(reached)-1]; got != c.what || len(reached) != point+1 {
			t.Errorf("the points reached were %q, want %d that end with %s", reached, point+1, c.what)
		}
		n, _, _ := chargeTimes(t, s, accounts[0])
		if kept := meta(t, s, "key") != ""; kept != c.kept || (n > 0) != c.kept {
			t.Errorf("with %s broken the update was kept: %t and %t, want %t", c.what, kept, n > 0, c.kept)
		}
		if err := broken.Update(t.Context(), bridge.Deployment, putMeta("key", "y")); err != nil {
			t.Errorf("the next Update = %v", err)
		}
	}
}

func faultySwallowed(t *testing.T, e Engine) {
	s := e.start(t)
	err := Faulty(s, At(1)).Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error {
		_ = tx.PutMeta("one", []byte("x"))
		_ = tx.PutMeta("two", []byte("x"))
		_ = tx.PutMeta("three", []byte("x"))
		return nil
	})
	if !errors.Is(err, bridge.Unavailable) {
		t.Errorf("Update = %v, want unavailable", err)
	}
	if got := meta(t, s, "one") + meta(t, s, "two") + meta(t, s, "three"); got != "" {
		t.Errorf("a lost transaction left %q", got)
	}
}

// faultyKnows checks that every method of Tx that writes is one that Faulty breaks, for the next one is easily forgotten.
func faultyKnows(t *testing.T, e Engine) {
	own, tx := reflect.TypeFor[*faultyTx](), reflect.TypeFor[bridge.Tx]()
	for method := range tx.Methods() {
		name := method.Name
		writes := slices.ContainsFunc([]string{"Put", "Add", "Drop", "Erase", "Touch"}, func(verb string) bool { return strings.HasPrefix(name, verb) }) || name == "Charge"
		if !writes {
			continue
		}
		s := Faulty(e.start(t), At(0))
		err := s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error {
			method := reflect.ValueOf(tx).MethodByName(name)
			args := make([]reflect.Value, method.Type().NumIn())
			for i := range args {
				args[i] = reflect.Zero(method.Type().In(i))
			}
			err, _ := method.Call(args)[0].Interface().(error)
			return err
		})
		if !errors.Is(err, bridge.Unavailable) {
			t.Errorf("%s.%s does not break: %v", own, name, err)
		}
	}
}

// faultyRetries is how the tests of the rules use all this: a story of calls that are repeated while they are Unavailable.
func faultyRetries(t *testing.T, e Engine) {
	runs := 0
	BreakEach(t, func(t *testing.T, plan Plan) {
		runs++
		s := e.start(t)
		a := &local{store: Faulty(s, plan)}
		for _, c := range []call{
			{Op: "send", Conversation: convID(1), Member: crew[0], Key: "one"},
			{Op: "lease", Conversation: convID(1), Member: crew[1], Receipt: "rcpt_1", Limit: 9},
			{Op: "send", Conversation: convID(1), Member: crew[0], Key: "two"},
			{Op: "ack", Conversation: convID(1), Member: crew[1], Receipt: "rcpt_1"},
		} {
			got := a.do(c)
			if got.Unknown {
				got = a.do(c)
			}
			if got.Err != "" {
				t.Errorf("%s = %s", c.Op, got.Err)
			}
		}
		got := (&local{store: s}).do(call{Op: "look", Conversation: convID(1)})
		if want := "1 one beta=acked/rcpt_1 gamma=stored; 2 two beta=stored gamma=stored; "; got.Text != want {
			t.Errorf("the story ended with %q, want %q", got.Text, want)
		}
		Invariants(t, s)
	})
	want := 20
	if testing.Short() {
		want /= 5 // as BreakEach thins them
	}
	if runs < want {
		t.Errorf("the story ran %d times, want one for each of its writes, commits and answers", runs)
	}
}
