package mcpserver

import (
	"bytes"
	"net/http"
	"sync"
	"time"
)

// keepAliveEvery is how often a stream that has nothing to say says so: proxies and some clients drop a silent one.
const keepAliveEvery = 15 * time.Second

// stream is the response to one HTTP request. It keeps a waiting stream alive, which the SDK does not, and tells when the answer
// went out and whether it did.
type stream struct {
	http.ResponseWriter
	conn   *http.ResponseController
	holds  func() bool // whether what is written now is an answer that must be known to have gone out
	nearly func() bool // called when all but its last byte was written; false: the client went away
	clean  func(status int, p []byte) []byte
	beat   *time.Timer

	mu     sync.Mutex // guards the ResponseWriter and all below
	ready  bool       // the SDK has set the headers and answers as a stream
	begun  bool       // headers were sent
	status int        // 0: not set, so 200
	ended  bool       // the handler returned
	whole  bool       // such an answer was written to its last byte
	failed bool       // a write failed
	wrote  time.Time  // when something was written last
}

func newStream(w http.ResponseWriter, holds, nearly func() bool, clean func(int, []byte) []byte) *stream {
	s := &stream{ResponseWriter: w, conn: http.NewResponseController(w), holds: holds, nearly: nearly, clean: clean}
	s.beat = time.AfterFunc(keepAliveEvery, s.keepAlive)
	return s
}

// open says that the request is being worked on, so its headers are set.
func (s *stream) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = true
}

// close ends the stream and reports whether an answer that holds something was written whole.
func (s *stream) close() bool {
	s.beat.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.conn.SetWriteDeadline(time.Time{}) // the connection may be used again
	return s.whole
}

func (s *stream) WriteHeader(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin()
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Write writes an answer that holds something in two parts, see [answers].
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin()
	s.ready = true
	if len(p) == 0 || !s.holds() {
		if clean := s.clean(s.status, p); !bytes.Equal(clean, p) {
			_, err := s.put(clean)
			return len(p), err // all of it was dealt with
		}
		return s.put(p)
	}
	n, err := s.put(p[:len(p)-1])
	if err != nil {
		return n, err
	}
	if err := s.flushed(); err != nil {
		return n, err
	}
	// Asked now, because a client may well close the stream when it has its answer.
	there := s.nearly()
	m, err := s.put(p[len(p)-1:])
	if err == nil {
		err = s.flushed()
	}
	s.whole = there && err == nil
	return n + m, err
}

// FlushError serves [http.ResponseController].
func (s *stream) FlushError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flushed()
}

func (s *stream) keepAlive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.failed {
		return
	}
	if silent := time.Since(s.wrote); silent < keepAliveEvery {
		s.beat.Reset(keepAliveEvery - silent)
		return
	}
	s.beat.Reset(keepAliveEvery)
	if !s.ready || s.Header().Get("Content-Type") != "text/event-stream" {
		return
	}
	s.begin()
	if _, err := s.put([]byte(": keep-alive\n\n")); err == nil {
		s.flushed()
	}
}

// begin sets what the SDK does not, before the headers go out.
func (s *stream) begin() {
	if s.begun {
		return
	}
	s.begun = true
	neverBuffered(s.Header())
}

// neverBuffered asks whoever is in between to pass on at once what is written: what holds a stream back holds messages back.
func neverBuffered(h http.Header) {
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no")
}

// slowest is how many bytes a second a client reads at least. One that reads slower, or not at all, is not there; what it was given comes
// again.
const slowest = 16 << 10

func (s *stream) put(p []byte) (int, error) {
	s.within(len(p))
	n, err := s.ResponseWriter.Write(p)
	s.wrote = time.Now()
	s.failed = s.failed || err != nil
	return n, err
}

// within bounds how long so many bytes may take, where the transport can.
func (s *stream) within(n int) {
	s.conn.SetWriteDeadline(time.Now().Add(keepAliveEvery + time.Duration(n/slowest)*time.Second))
}

func (s *stream) flushed() error {
	s.within(0)
	err := s.conn.Flush()
	s.failed = s.failed || err != nil
	return err
}
