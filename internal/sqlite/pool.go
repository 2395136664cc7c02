package sqlite

import (
	"context"
	"errors"
	"sync"
)

// readers is how many views run at once; more wait. Each connection has its own page cache.
const readers = 8

// pool holds the connections of views. The one used last is used next, so that its pages and statements are warm.
type pool struct {
	path  string
	moved func() error  // whether another file than the store's is at path by now
	sem   chan struct{} // holds one for each view under way

	mu   sync.Mutex // guards idle
	idle []*conn
}

func newPool(path string, moved func() error) *pool {
	return &pool{path: path, moved: moved, sem: make(chan struct{}, readers)}
}

func (p *pool) get(ctx context.Context) (*conn, error) {
	select {
	case p.sem <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	c, err := connect(p.path, "query_only = ON")
	if err == nil {
		if err = p.moved(); err == nil {
			return c, nil
		}
		err = errors.Join(err, c.close()) // it is to another file
	}
	<-p.sem
	return nil, failure("open the database", err)
}

// put takes a connection back, or closes one that failed: the next may do better.
func (p *pool) put(c *conn, failed bool) {
	if failed {
		_ = c.close() // it is given up as it is
	} else {
		p.mu.Lock()
		p.idle = append(p.idle, c)
		p.mu.Unlock()
	}
	<-p.sem
}

func (p *pool) close() error {
	var errs []error
	for _, c := range p.idle {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}
