package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// use is what a connection is for. Views and updates have half of them each, so that neither can keep the other from going on; one more
// is for questions in the midst of either.
type use int

const (
	viewing use = iota
	updating
	asking
)

// pool holds the connections of views and updates. The one used last is used next, so that its statements are warm.
type pool struct {
	at  *address
	sem [3]chan struct{} // holds one for each connection in use

	mu   sync.Mutex // guards all below
	idle []*conn
	era  int // grows when the server dropped connections: those from before are not trusted
}

func newPool(at *address) *pool {
	views := max(1, at.conns/2)
	return &pool{at: at, sem: [3]chan struct{}{
		viewing: make(chan struct{}, views), updating: make(chan struct{}, max(1, at.conns-views)), asking: make(chan struct{}, 1),
	}}
}

// errNoneFree says that every connection was in use for as long as the caller would wait. What the caller waited with is joined to it.
var errNoneFree = errors.New("no connection became free")

func (p *pool) get(ctx context.Context, of use) (*conn, error) {
	select {
	case p.sem[of] <- struct{}{}:
	default:
		select {
		case p.sem[of] <- struct{}{}:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", errNoneFree, ctx.Err())
		}
	}
	p.mu.Lock()
	for n := len(p.idle); n > 0; n = len(p.idle) {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		if c.era == p.era {
			p.mu.Unlock()
			return c, nil
		}
		_ = c.close()
	}
	era := p.era
	p.mu.Unlock()
	c, err := p.at.dial(ctx)
	if err != nil {
		<-p.sem[of]
		return nil, err
	}
	c.era = era
	return c, nil
}

// put takes a connection back, or closes one that is of no more use.
func (p *pool) put(c *conn, of use) {
	now := time.Now()
	c.used, c.held = now, nil
	keep := c.idle() && now.Sub(c.made) < p.at.lifetime
	var old *conn
	p.mu.Lock()
	if keep && c.era == p.era {
		p.idle = append(p.idle, c)
	} else {
		old = c
	}
	var stale *conn // the one that waited longest is first
	if len(p.idle) > 0 && now.Sub(p.idle[0].used) > p.at.idleTime {
		stale = p.idle[0]
		p.idle = append(p.idle[:0], p.idle[1:]...)
	}
	p.mu.Unlock()
	for _, c := range []*conn{old, stale} {
		if c != nil {
			_ = c.close()
		}
	}
	<-p.sem[of]
}

// lost says that the server dropped a connection, or is no longer the one that writes: what is idle since before is not used any more.
func (p *pool) lost(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.era == p.era {
		p.era++
	}
}

func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		_ = c.close()
	}
	p.idle = nil
	return nil
}
