package workload

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Line is a stretch of network to a hub that can be cut in the dark: what is on its way stays there, nobody is told, and it arrives when
// the line is healed, if somebody still waits for it. It forwards TCP in this process, so no rights are needed.
type Line struct {
	listener net.Listener
	to       string
	wg       sync.WaitGroup

	mu    sync.Mutex // guards all below
	whole chan struct{}
	cut   bool
	delay time.Duration // what goes through takes up to so long, each way
	conns map[net.Conn]bool
	over  bool
}

// NewLine listens at an address and forwards to another. The caller closes it.
func NewLine(listen, to string) (*Line, error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	l := &Line{listener: listener, to: to, whole: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(l.whole)
	l.wg.Go(l.accept)
	return l, nil
}

// Address is where the line's near end is.
func (l *Line) Address() string { return l.listener.Addr().String() }

// Cut lets nothing through from now on.
func (l *Line) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.cut {
		l.cut, l.whole = true, make(chan struct{})
	}
}

// Heal lets everything through again.
func (l *Line) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		l.cut = false
		close(l.whole)
	}
}

// Slow makes what goes through take up to so long, each way.
func (l *Line) Slow(most time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = most
}

// Break ends every connection that goes through.
func (l *Line) Break() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		c.Close()
	}
}

// Close ends the line and all that goes through it.
func (l *Line) Close() {
	l.listener.Close()
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	l.Heal()
	l.Break()
	l.wg.Wait()
}

func (l *Line) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.wg.Go(func() {
			defer near.Close()
			l.pass()
			far, err := net.DialTimeout("tcp", l.to, 10*time.Second)
			if err != nil {
				return
			}
			defer far.Close()
			if !l.hold(near, far) {
				return
			}
			defer l.drop(near, far)
			done := make(chan struct{}, 2)
			for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
				l.wg.Go(func() { l.carry(way[0], way[1]); done <- struct{}{} })
			}
			<-done
		})
	}
}

func (l *Line) hold(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		l.conns[c] = true
	}
	return !l.over
}

func (l *Line) drop(conns ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		delete(l.conns, c)
		c.Close()
	}
}

// pass waits until the line is whole, and as long as it takes to go through it.
func (l *Line) pass() {
	for {
		l.mu.Lock()
		whole, delay := l.whole, l.delay
		l.mu.Unlock()
		<-whole
		if delay > 0 {
			time.Sleep(rand.N(delay))
		}
		l.mu.Lock()
		cut := l.cut
		l.mu.Unlock()
		if !cut {
			return
		}
	}
}

func (l *Line) carry(from, to net.Conn) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		l.pass() // an end is news, too
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err == io.EOF {
			if tcp, ok := to.(*net.TCPConn); ok {
				_ = tcp.CloseWrite()
			}
			return
		}
		if err != nil {
			return
		}
	}
}
