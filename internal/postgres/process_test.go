package postgres

import (
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
)

// observer is a process that looks at others whenever it is told to.
func observer() *Store { return &Store{self: process{name: "proc_self"}} }

const other = bridge.Instance("proc_other")

func (s *Store) sees(beats map[bridge.Instance]int64) (gone bool) {
	gone, _ = s.self.look(beats, time.Now())
	return gone
}

func TestDead_OnlyWhoStoodStillWhileWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := observer()
		beats := map[bridge.Instance]int64{other: 1, "proc_self": 1}
		for n := range int64(10) { // lives for 20 s
			beats[other] = n
			if s.sees(beats) || s.Dead(other) {
				t.Fatalf("a process that counts on is dead after %d looks", n)
			}
			time.Sleep(pollEvery)
		}
		for range int(deadAfter/pollEvery) - 1 {
			if s.sees(beats) || s.Dead(other) {
				t.Fatal("a process is dead before it stood still for long")
			}
			time.Sleep(pollEvery)
		}
		if !s.sees(beats) {
			t.Error("nobody was woken when a process stood still for long")
		}
		if !s.Dead(other) || s.Dead("proc_self") || s.Dead("token_other") {
			t.Error("the one that stood still, and only that, should be dead")
		}
		if s.sees(beats) {
			t.Error("everybody was woken twice for one death")
		}
		beats[other]++
		if s.sees(beats); s.Dead(other) {
			t.Error("a process that goes on is still dead")
		}
	})
}

// While the server is away nobody can count on, and all would look dead at once when it is back.
func TestDead_NotForTheServersAbsence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := observer()
		beats := map[bridge.Instance]int64{other: 1}
		s.sees(beats)
		time.Sleep(time.Hour)
		if s.self.peers[other].dead {
			t.Error("dead although nobody looked for an hour")
		}
		if s.sees(beats) || s.Dead(other) {
			t.Error("dead at the first look after the server was away for an hour")
		}
	})
}

func TestLook_WakesWhereARowWentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := observer()
		s.sees(map[bridge.Instance]int64{other: 1})
		time.Sleep(pollEvery)
		if !s.sees(map[bridge.Instance]int64{}) {
			t.Error("nobody was woken when a row went away")
		}
		if s.sees(map[bridge.Instance]int64{}) {
			t.Error("everybody was woken twice for one row")
		}
	})
}

func TestDead_NotWhoCameBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := observer()
		s.self.gone = map[bridge.Instance]bool{other: true}
		if !s.Dead(other) {
			t.Error("a process that was found without a row is alive")
		}
		s.sees(map[bridge.Instance]int64{other: 1})
		if s.Dead(other) {
			t.Error("a process that has a row again is dead")
		}
	})
}
