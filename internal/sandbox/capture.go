package sandbox

import (
	"io"
	"sync"
)

// capture keeps the beginning and the end of what is written to it, and counts all. It never fails and never grows, so a
// command that prints for ever is neither held up nor a danger.
type capture struct {
	mu   sync.Mutex // guards all below
	head []byte     // the first bytes, up to its capacity
	tail []byte     // the last bytes, a ring once full
	at   int        // where the ring begins
	size int64
}

func newCapture(limit int) *capture {
	last := limit / 4
	return &capture{head: make([]byte, 0, limit-last), tail: make([]byte, 0, last)}
}

func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(p)
	c.size += int64(n)
	fits := min(len(p), cap(c.head)-len(c.head))
	c.head = append(c.head, p[:fits]...)
	p = p[fits:]
	if over := len(p) - cap(c.tail); over > 0 {
		p = p[over:] // it would be overwritten at once
	}
	fits = min(len(p), cap(c.tail)-len(c.tail))
	c.tail = append(c.tail, p[:fits]...)
	for p = p[fits:]; len(p) > 0; {
		copied := copy(c.tail[c.at:], p)
		p, c.at = p[copied:], (c.at+copied)%len(c.tail)
	}
	return n, nil
}

var _ io.Writer = (*capture)(nil)

// into puts what was kept into the result.
func (c *capture) into(r *Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.Output = append(append(append([]byte(nil), c.head...), c.tail[c.at:]...), c.tail[:c.at]...)
	r.Size = c.size
	r.Omitted = c.size - int64(len(r.Output))
	if r.Omitted > 0 {
		r.Cut = len(c.head)
	}
}
