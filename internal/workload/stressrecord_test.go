package workload

import (
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// told is a coordinator's record of messages to workers 1 and 2, numbered from 1, all in one conversation, and of their coming.
func told(t *testing.T) (*record, []room) {
	t.Helper()
	r, rooms := newRecord(3), []room{{id: "conv_a", workers: []int{1, 2}}, {id: "conv_b", workers: []int{1}}}
	for n := range 3 {
		r.said(draft{n: n, to: []int{1, 2}, size: 60, due: time.Now()}, time.Now(), done, bridge.SendResult{Seq: int64(n + 1)}, make([]seat, 3))
		hear(r, rooms, 1, n)
		hear(r, rooms, 2, n)
	}
	return r, rooms
}

func hear(r *record, rooms []room, at, n int) {
	r.heard(at, []bridge.Message{{Conversation: "conv_a", Seq: int64(n + 1), From: "coordinator", Text: "frame\n" + stressText(n, 60) + "\nframe"}}, rooms)
}

// A record that sees nothing proves nothing: each way to break a promise is faked into it once.
func TestStressRecord_SeesEachBreach(t *testing.T) {
	send := func(r *record, n int, how outcome, seq int64) {
		r.said(draft{n: n, to: []int{1}, size: 60, due: time.Now()}, time.Now(), how, bridge.SendResult{Seq: seq}, make([]seat, 3))
	}
	tests := []struct {
		name                        string
		fake                        func(r *record, rooms []room)
		lost, doubled, disorder     int
		delivered, refused, unknown int
		faults                      bool
	}{
		{name: "as promised", fake: func(*record, []room) {}, delivered: 6},
		{name: "answered and never come", fake: func(r *record, _ []room) { send(r, 3, done, 4) }, delivered: 6, lost: 1, faults: true},
		{name: "come to one of two", fake: func(r *record, rooms []room) {
			r.said(draft{n: 3, to: []int{1, 2}, size: 60, due: time.Now()}, time.Now(), done, bridge.SendResult{Seq: 4}, make([]seat, 3))
			hear(r, rooms, 2, 3)
		}, delivered: 7, lost: 1, faults: true},
		{name: "come twice", fake: func(r *record, rooms []room) { hear(r, rooms, 1, 2) }, delivered: 6, doubled: 1, faults: true},
		{name: "come three times", fake: func(r *record, rooms []room) { hear(r, rooms, 1, 0); hear(r, rooms, 1, 0) }, delivered: 6, doubled: 2, faults: true},
		{name: "come before an earlier one", fake: func(r *record, rooms []room) {
			send(r, 3, done, 4)
			send(r, 4, done, 5)
			hear(r, rooms, 1, 4)
			hear(r, rooms, 1, 3)
		}, delivered: 8, disorder: 1},
		{name: "numbered before one that was answered sooner", fake: func(r *record, rooms []room) {
			send(r, 3, done, 9)
			time.Sleep(time.Millisecond) // the one ends before the other begins
			send(r, 4, done, 8)
			r.heard(1, []bridge.Message{{Conversation: "conv_a", Seq: 8, Text: "\n" + stressText(4, 60) + "\n"}, {Conversation: "conv_a", Seq: 9, Text: "\n" + stressText(3, 60) + "\n"}}, rooms)
		}, delivered: 8, disorder: 1},
		{name: "refused", fake: func(r *record, _ []room) { send(r, 3, outcome(bridge.RateLimited), 0) }, delivered: 6, refused: 1},
		{name: "refused and come", fake: func(r *record, rooms []room) {
			send(r, 3, outcome(bridge.RateLimited), 0)
			hear(r, rooms, 1, 3)
		}, delivered: 6, refused: 1, faults: true},
		{name: "nobody knows", fake: func(r *record, _ []room) { send(r, 3, unknown, 0) }, delivered: 6, unknown: 1},
		{name: "nobody knows, and come twice", fake: func(r *record, rooms []room) {
			send(r, 3, unknown, 0)
			hear(r, rooms, 1, 3)
			hear(r, rooms, 1, 3)
		}, delivered: 6, unknown: 1, doubled: 1, faults: true},
		{name: "for another", fake: func(r *record, rooms []room) { send(r, 3, done, 4); hear(r, rooms, 1, 3); hear(r, rooms, 2, 3) }, delivered: 7, faults: true},
		{name: "of another conversation", fake: func(r *record, rooms []room) {
			send(r, 3, done, 4)
			r.heard(1, []bridge.Message{{Conversation: "conv_b", Seq: 4, Text: "\n" + stressText(3, 60) + "\n"}}, rooms)
		}, delivered: 7, faults: true},
		{name: "of nobody", fake: func(r *record, rooms []room) { hear(r, rooms, 1, 77) }, delivered: 6, faults: true},
		{name: "cut short", fake: func(r *record, rooms []room) {
			send(r, 3, done, 4)
			r.heard(1, []bridge.Message{{Conversation: "conv_a", Seq: 4, Text: "\n" + stressText(3, 60)[:50] + "\n"}}, rooms)
		}, delivered: 7, faults: true},
		{name: "the bridge's own words", fake: func(r *record, rooms []room) {
			r.heard(1, []bridge.Message{{Conversation: "conv_a", Seq: 4, From: bridge.ProgramName, Text: "a notice"}}, rooms)
		}, delivered: 6},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, rooms := told(t)
			test.fake(r, rooms)
			var rep StressReport
			r.tell(&rep)
			got := [6]int{rep.Lost, rep.Duplicated, rep.OutOfOrder, rep.Delivered, rep.Refused, rep.Unknown}
			want := [6]int{test.lost, test.doubled, test.disorder, test.delivered, test.refused, test.unknown}
			if got != want || (len(rep.Faults) > 0) != test.faults {
				t.Errorf("lost, duplicated, out of order, delivered, refused, unknown = %v, want %v; faults %q", got, want, rep.Faults)
			}
			if broken := test.lost+test.doubled+test.disorder+test.unknown > 0 || test.faults; rep.Kept() == broken {
				t.Errorf("Kept() = %t, want %t", rep.Kept(), !broken)
			}
		})
	}
}

// A log that does not verify is a broken promise, whatever the clients saw; one that is elsewhere is none.
func TestStressReport_KeptAsksTheLog(t *testing.T) {
	for integrity, want := range map[string]bool{Intact: true, Unchecked: true, Broken: false} {
		if got := (StressReport{Integrity: integrity}).Kept(); got != want {
			t.Errorf("%s: Kept() = %t, want %t", integrity, got, want)
		}
	}
}
