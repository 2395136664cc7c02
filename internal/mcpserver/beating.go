package mcpserver

import (
	"net/http"
	"sync"
	"time"
)

// beating is an answer of JSON that may take its time. Until it comes there is white space, which JSON allows, so that whoever waits can
// tell a hub that is at it from one that is gone.
type beating struct {
	w    http.ResponseWriter
	beat *time.Timer

	mu    sync.Mutex // guards all below, and w
	ended bool
}

func newBeating(w http.ResponseWriter) *beating {
	b := &beating{w: w}
	b.mu.Lock()
	defer b.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	neverBuffered(w.Header())
	b.beat = time.AfterFunc(AgentBeat/2, b.show)
	return b
}

func (b *beating) show() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended || b.put([]byte("\n")) != nil {
		return
	}
	b.beat.Reset(AgentBeat)
}

// end writes the answer, and fails where it is known that nobody gets it.
func (b *beating) end(body []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.beat.Stop()
	return b.put(append(body, '\n'))
}

func (b *beating) put(p []byte) error {
	out := http.NewResponseController(b.w)
	out.SetWriteDeadline(time.Now().Add(keepAliveEvery)) // who does not read is not there; some transports have no deadlines
	defer out.SetWriteDeadline(time.Time{})              // the connection may be used again
	if _, err := b.w.Write(p); err != nil {
		return err
	}
	return out.Flush()
}
