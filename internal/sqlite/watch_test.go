package sqlite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// patience is how long a test waits for what should come at once.
const patience = 20 * time.Second

func await(t testing.TB, hints <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-hints:
	case <-time.After(patience):
		t.Fatalf("no hint %s", what)
	}
}

// notify commits a change and hints at it, and gives when its function ended, just before the commit.
func notify(t testing.TB, s *Store, topics ...bridge.Topic) (at time.Time) {
	t.Helper()
	if err := s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error {
		for _, topic := range topics {
			tx.Notify(topic)
		}
		defer func() { at = time.Now() }()
		return tx.PutMeta("n", strconv.AppendInt(nil, time.Now().UnixNano(), 10))
	}); err != nil {
		t.Fatal(err)
	}
	return at
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// signs gives the topics that somebody shows to watch, as other processes see them.
func signs(t testing.TB, s *Store) (topics []string) {
	t.Helper()
	for _, name := range remains(t, s) {
		if strings.HasPrefix(name, signMark) {
			topics = append(topics, strings.Split(name, ".")[1])
		}
	}
	return topics
}

// deep gives a directory whose path is too long for a socket.
func deep(t testing.TB) string {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100), "deep")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWatch_WakesAnotherProcessSoon(t *testing.T) {
	for name, dir := range map[string]string{"short path": t.TempDir(), "long path": deep(t)} {
		path := filepath.Join(dir, "bridge.db")
		s := start(t, path, Options{})
		c := spawn(t, "echo", path)
		c.line()
		var took []time.Duration
		for range 200 {
			at := notify(t, s, "ping")
			heard, err := strconv.ParseInt(c.line(), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Unix(0, heard).Sub(at))
		}
		slices.Sort(took)
		t.Logf("%s: from the end of fn through the commit to the hint p50 %v, p99 %v", name, took[100], took[198])
		if took[100] > 100*time.Millisecond {
			t.Errorf("%s: a hint took %v in the median, as if the poll had brought it", name, took[100])
		}
	}
}

func TestWatch_PollFindsWhatNoHintTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	reader, writer := start(t, path, Options{}), start(t, path, Options{})
	hints := reader.Watch(t.Context(), "ping")
	await(t, hints, "of the first poll, which knows nothing yet")
	for _, name := range signs(t, reader) {
		reader.watch.in.unsign(name)
	}
	notify(t, writer, "ping")
	await(t, hints, "of a commit that nobody told")
}

func TestWatch_ServesByPollWhereNoSocketCanBe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	reader, writer := start(t, path, Options{}), start(t, path, Options{})
	if err := os.Mkdir(filepath.Join(reader.runDir, boxMark+box(reader.Instance())), 0o700); err != nil { // in the socket's place
		t.Fatal(err)
	}
	hints := reader.Watch(t.Context(), "ping")
	if reader.watch.in != nil {
		t.Fatal("there is a socket, so this tests nothing")
	}
	await(t, hints, "of the first poll")
	notify(t, writer, "ping")
	await(t, hints, "without sockets")
}

func TestWatch_WriterCleansUpAfterADeadReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	s := start(t, path, Options{})
	c := spawn(t, "echo", path)
	instance := c.line()
	c.signal(syscall.SIGKILL)
	_ = c.end()
	if got := signs(t, s); len(got) != 1 {
		t.Fatalf("a killed reader left the signs %q, want one", got)
	}
	notify(t, s, "ping")
	eventually(t, "a hint to a dead reader to leave its lock alone, which proves it dead", func() bool {
		names := remains(t, s)
		return len(names) == 1 && names[0] == instance+".lock"
	})
}

func TestWatch_TellsOnlyWhoWatches(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	reader, writer := start(t, path, Options{}), start(t, path, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	hints := reader.Watch(ctx, "ping")
	if got := signs(t, reader); !slices.Equal(got, []string{hash("ping").String()}) {
		t.Errorf("signs %q, want one for the topic", got)
	}
	notify(t, writer, "ping")
	await(t, hints, "across stores")
	writer.watch.out.mu.Lock()
	if n := len(writer.watch.out.boxes); n != 1 {
		t.Errorf("the writer knows of %d topics, want 1", n)
	}
	writer.watch.out.mu.Unlock()
	cancel()
	eventually(t, "the sign of what nobody watches to go", func() bool { return len(signs(t, reader)) == 0 })
}

func TestWatch_ManyTopicsHaveOneSign(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	reader, writer := start(t, path, Options{}), start(t, path, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var hints []<-chan struct{}
	for i := range 100 {
		hints = append(hints, reader.Watch(ctx, bridge.Topic(fmt.Sprint("topic ", i))))
	}
	if got := signs(t, reader); len(got) != maxSigns+1 || !slices.Contains(got, everyTopic) {
		t.Errorf("signs %q, want %d and one for all", got, maxSigns)
	}
	for i, hint := range hints {
		notify(t, writer, bridge.Topic(fmt.Sprint("topic ", i)))
		await(t, hint, fmt.Sprint("about topic ", i))
	}
	few := reader.Watch(t.Context(), "few")
	cancel()
	eventually(t, "the signs to be as few as the topics", func() bool {
		return slices.Equal(signs(t, reader), []string{hash("few").String()})
	})
	notify(t, writer, "few")
	await(t, few, "after the many are gone")
}

func TestWatch_HintOfMoreTopicsThanALetterHoldsMeansAny(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	reader, writer := start(t, path, Options{}), start(t, path, Options{})
	var last <-chan struct{}
	var topics []bridge.Topic
	for i := range letter/8 + 1 {
		topics = append(topics, bridge.Topic(fmt.Sprint("topic ", i)))
		last = reader.Watch(t.Context(), topics[i])
	}
	notify(t, writer, topics...)
	await(t, last, "about very many topics")
}

// A hub whose every sweep woke all who wait would do little else.
func TestWatch_OwnCommitsWakeOnlyThoseTheyAreFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	s := start(t, path, Options{})
	quiet, loud := s.Watch(t.Context(), "quiet"), s.Watch(t.Context(), "loud")
	await(t, quiet, "of the first poll, which knows nothing yet")
	for range 3 { // polls
		for end := time.Now().Add(pollEvery); time.Now().Before(end); {
			notify(t, s, "loud")
			await(t, loud, "of an own commit")
			if err := s.Update(t.Context(), bridge.Deployment, func(bridge.Tx) error { return bridge.Conflict }); err == nil {
				t.Fatal("what failed was committed")
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	if len(quiet) > 0 {
		t.Error("a commit woke who does not wait for its topic")
	}
}

func TestWatch_PollFindsWhatCameBetweenOwnCommits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	reader, writer := start(t, path, Options{}), start(t, path, Options{})
	hints := reader.Watch(t.Context(), "ping")
	await(t, hints, "of the first poll, which knows nothing yet")
	for _, name := range signs(t, reader) {
		reader.watch.in.unsign(name)
	}
	notify(t, reader, "own")
	notify(t, writer, "ping")
	notify(t, reader, "own")
	await(t, hints, "of a commit that nobody told, between two of our own")
}
