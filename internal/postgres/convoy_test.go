//go:build postgres

package postgres

import (
	"errors"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"agentbridge/internal/bridge"
)

func conversationOf(n int) bridge.Scope { return bridge.InConversation(roomOf(n)) }

// Two hubs update the same conversations at once. Some functions fail, panic, end their goroutine, read what they wrote, or believe what is
// not so; each update is done wholly or not at all, once, and its neighbours in the same commit do not notice.
func TestUpdate_ConversationsInOneCommitLeaveEachOtherAlone(t *testing.T) {
	dsn := fresh(t)
	hubs := []*Store{start(t, dsn, Options{}), start(t, dsn, Options{})}
	const rooms, rounds = 10, 12
	errMine := errors.New("a reason of its own")
	var wg sync.WaitGroup
	var mu sync.Mutex // guards want
	want := map[int]int{}
	for w := range 2 * rooms {
		room := w % rooms
		key := "n" + strconv.Itoa(room)
		wg.Go(func() {
			for round := range rounds {
				kind := (w + round) % 6
				err := func() (err error) {
					defer func() {
						if p := recover(); p != nil && p != any(w) {
							t.Errorf("panic %v", p)
						}
					}()
					if kind == 5 { // a goroutine of its own, since it ends, and a conversation too: those of one share their fate
						over := make(chan struct{})
						go func() {
							defer close(over)
							err = hubs[w%2].Update(background, conversationOf(rooms), func(tx bridge.Tx) error {
								_ = tx.PutMeta("half", nil)
								runtime.Goexit()
								return nil
							})
						}()
						<-over
						return err
					}
					err = hubs[w%2].Update(background, conversationOf(room), func(tx bridge.Tx) error {
						if err := count(key)(tx); err != nil {
							return err
						}
						switch kind {
						case 1:
							return errMine
						case 2:
							panic(w)
						case 3: // it reads its own write
							if err := count(key)(tx); err != nil {
								return err
							}
						case 4: // a delivery that is not there
							return tx.PutDelivery(bridge.Delivery{Conversation: roomOf(room), Seq: 1, Recipient: "nobody"})
						}
						return nil
					})
					return err
				}()
				switch {
				case kind == 0 && err == nil, kind == 3 && err == nil:
					mu.Lock()
					want[room] += 1 + kind/3
					mu.Unlock()
				case kind == 1 && err == errMine, kind == 2 && err == nil, kind == 4 && errors.Is(err, bridge.NotFound), kind == 5 && errors.Is(err, bridge.Unavailable):
				default:
					t.Errorf("update of kind %d = %v", kind, err)
				}
			}
		})
	}
	wg.Wait()
	for room := range rooms {
		if got := counted(t, hubs[0], "n"+strconv.Itoa(room)); got != strconv.Itoa(want[room]) {
			t.Errorf("conversation %d counts %s, want %d", room, got, want[room])
		}
	}
	if has(t, hubs[0], "half") {
		t.Error("half of an update is there that ended its goroutine")
	}
}

// A conversation that another hub has is waited for alone: those that came together with it go on.
func TestUpdate_ConversationHeldElsewhereHoldsUpNoOther(t *testing.T) {
	dsn := fresh(t)
	s, other := start(t, dsn, Options{}), start(t, dsn, Options{})
	for n := range 10 { // so that each has a row to lock
		if err := s.Update(background, conversationOf(n), count("n")); err != nil {
			t.Fatal(err)
		}
	}
	entered, release, held := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		held <- other.Update(background, conversationOf(0), func(bridge.Tx) error { close(entered); <-release; return nil })
	}()
	<-entered
	stuck := make(chan error, 1)
	var wg sync.WaitGroup
	for n := range 10 {
		update := func() error {
			return s.Update(background, conversationOf(n), func(tx bridge.Tx) error { return tx.PutMeta(strconv.Itoa(n), nil) })
		}
		if n == 0 {
			go func() { stuck <- update() }()
			continue
		}
		wg.Go(func() {
			for range 20 {
				if err := update(); err != nil {
					t.Errorf("Update beside one that is held up = %v", err)
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-stuck:
		t.Errorf("Update of a conversation that another hub has = %v before that let go", err)
	default:
	}
	close(release)
	for _, done := range []chan error{held, stuck} {
		if err := <-done; err != nil {
			t.Errorf("Update = %v", err)
		}
	}
}
