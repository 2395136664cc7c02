package storetest

import (
	"errors"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func alert(conv, n, second int) bridge.Alert {
	return bridge.Alert{Conversation: convID(conv), ID: alertID(n), Kind: bridge.AlertSilent, At: at(second), Text: "t"}
}

// addAlerts adds alerts, each in its conversation's scope.
func addAlerts(t *testing.T, s bridge.Store, all ...bridge.Alert) {
	t.Helper()
	for _, a := range all {
		put(t, s, bridge.InConversation(a.Conversation), func(tx bridge.Tx) error { return tx.AddAlert(a) })
	}
}

func alertRoundTrips(t *testing.T, e Engine) {
	s := e.start(t)
	get := func(tx bridge.Tx) ([]bridge.Alert, error) { return tx.Alerts(time.Time{}, 0) }
	same(t, "Alerts of an empty store", look(t, s, get), []bridge.Alert{})
	want := bridge.Alert{
		ID: alertID(1), Conversation: convID(1), Kind: bridge.AlertTaskFailed, At: odd(1), Member: "beta", Task: taskID(1), Text: words,
	}
	full(t, want)
	addAlerts(t, s, want)
	want.At = at(1)
	same(t, "Alerts", look(t, s, get), []bridge.Alert{want})
}

func addAlertConflicts(t *testing.T, e Engine) {
	s := e.start(t)
	want := alert(1, 1, 1)
	addAlerts(t, s, want)
	for _, again := range []bridge.Alert{want, alert(1, 1, 2), alert(2, 1, 1)} { // an id is taken everywhere
		err := s.Update(t.Context(), bridge.InConversation(again.Conversation), func(tx bridge.Tx) error { return tx.AddAlert(again) })
		if !errors.Is(err, bridge.Conflict) {
			t.Errorf("AddAlert(%+v) of a taken id = %v, want conflict", again, err)
		}
	}
	same(t, "Alerts after conflicts", look(t, s, func(tx bridge.Tx) ([]bridge.Alert, error) { return tx.Alerts(time.Time{}, 0) }), []bridge.Alert{want})
}

func alertsOrder(t *testing.T, e Engine) {
	s := e.start(t)
	addAlerts(t, s, alert(2, 3, 2), alert(1, 1, 4), alert(1, 4, 2), alert(3, 2, 3), alert(2, 5, 1))
	id := pluck(func(a bridge.Alert) bridge.AlertID { return a.ID })
	for _, c := range []struct {
		since time.Time
		limit int
		want  []bridge.AlertID
	}{
		{time.Time{}, 0, []bridge.AlertID{alertID(5), alertID(3), alertID(4), alertID(2), alertID(1)}},
		{at(2), 0, []bridge.AlertID{alertID(3), alertID(4), alertID(2), alertID(1)}}, // at since is since
		{at(2).Add(time.Microsecond), 0, []bridge.AlertID{alertID(2), alertID(1)}},
		{at(1), 3, []bridge.AlertID{alertID(5), alertID(3), alertID(4)}},
		{at(9), 2, nil},
	} {
		got := look(t, s, func(tx bridge.Tx) ([]bridge.AlertID, error) { return id(tx.Alerts(c.since, c.limit)) })
		same(t, "Alerts", got, c.want)
	}
}

// sendings gives what is kept for a sink.
func sendings(sink string) func(tx bridge.Tx) ([]bridge.Sending, error) {
	return func(tx bridge.Tx) ([]bridge.Sending, error) { return tx.Sendings(sink) }
}

func putSendings(t *testing.T, s bridge.Store, all ...bridge.Sending) {
	t.Helper()
	for _, row := range all {
		if err := s.Jot(t.Context(), bridge.Deployment, func(tx bridge.Tx) error { return tx.PutSending(row) }); err != nil {
			t.Fatalf("Jot = %v", err)
		}
	}
}

func sendingRoundTrips(t *testing.T, e Engine) {
	s := e.start(t)
	same(t, "Sendings of nothing", look(t, s, sendings("webhook")), []bridge.Sending{})
	want := bridge.Sending{Sink: "webhook", Alert: alertID(2), Attempts: 3, NextAt: odd(1), DoneAt: odd(2)}
	full(t, want)
	before, other := bridge.Sending{Sink: "webhook", Alert: alertID(1)}, bridge.Sending{Sink: "Webhook", Alert: alertID(2), Attempts: 1}
	putSendings(t, s, want, other, before) // of alerts that are not there: it is not the engine's to judge
	want.NextAt, want.DoneAt = at(1), at(2)
	same(t, "Sendings", look(t, s, sendings("webhook")), []bridge.Sending{before, want})
	same(t, "Sendings of another sink", look(t, s, sendings("Webhook")), []bridge.Sending{other})

	want = bridge.Sending{Sink: "webhook", Alert: alertID(2), Attempts: 4}
	putSendings(t, s, want)
	same(t, "Sendings after a second PutSending", look(t, s, sendings("webhook")), []bridge.Sending{before, want})
}

func dropSendings(t *testing.T, e Engine) {
	s := e.start(t)
	addAlerts(t, s, alert(1, 1, 1), alert(1, 2, 2), alert(2, 3, 3), alert(3, 4, 9))
	for _, sink := range []string{"webhook", "command"} {
		for n := 1; n <= 5; n++ { // there is no alert 5
			putSendings(t, s, bridge.Sending{Sink: sink, Alert: alertID(n), Attempts: n})
		}
	}
	id := pluck(func(s bridge.Sending) bridge.AlertID { return s.Alert })
	check := func(what string, want ...bridge.AlertID) {
		t.Helper()
		for _, sink := range []string{"webhook", "command"} {
			got := look(t, s, func(tx bridge.Tx) ([]bridge.AlertID, error) { return id(tx.Sendings(sink)) })
			same(t, "Sendings after DropSendings"+what, got, want)
		}
	}
	drop := func(before time.Time) {
		t.Helper()
		put(t, s, bridge.Deployment, func(tx bridge.Tx) error { return tx.DropSendings(before) })
	}
	drop(time.Time{})
	check(" of no time", alertID(1), alertID(2), alertID(3), alertID(4))
	drop(at(2))
	check("", alertID(2), alertID(3), alertID(4)) // the alert of that very moment is not before it
	put(t, s, bridge.InConversation(convID(2)), func(tx bridge.Tx) error { return tx.EraseConversation(convID(2)) })
	drop(at(2))
	check(" when a conversation was erased", alertID(2), alertID(4))
	drop(at(99))
	check(" of all")
	if got := look(t, s, func(tx bridge.Tx) ([]bridge.Alert, error) { return tx.Alerts(time.Time{}, 0) }); len(got) != 3 {
		t.Errorf("after DropSendings there are %d alerts, want 3", len(got))
	}
}
