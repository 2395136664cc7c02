package agent

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/mcpserver"
)

// forwarder passes connections on to the hub, and cuts one after so many bytes.
type forwarder struct {
	net.Listener
	to string
	wg sync.WaitGroup

	mu   sync.Mutex // guards next
	next *cut       // for the next connection; nil: it is whole
	done bool       // that one was cut
}

func forward(t *testing.T, to string) *forwarder {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &forwarder{Listener: listener, to: to}
	f.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			c := f.next
			f.next = nil
			f.mu.Unlock()
			f.wg.Go(func() { f.pass(conn, c) })
		}
	})
	t.Cleanup(func() { listener.Close(); f.wg.Wait() })
	return f
}

// pass carries one connection until it ends or is cut.
func (f *forwarder) pass(agent net.Conn, c *cut) {
	defer agent.Close()
	hub, err := net.Dial("tcp", f.to)
	if err != nil {
		return
	}
	defer hub.Close()
	over := make(chan bool, 2)
	carry := func(to, from net.Conn, up bool) {
		var r io.Reader = from
		if c != nil && c.up == up {
			r = io.LimitReader(from, int64(c.at))
		}
		_, err := io.Copy(to, r)
		over <- c != nil && c.up == up && err == nil
	}
	go carry(hub, agent, true)
	go carry(agent, hub, false)
	cut := <-over
	if tcp, ok := agent.(*net.TCPConn); ok && cut {
		tcp.SetLinger(0)
	}
	agent.Close()
	hub.Close()
	<-over
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = f.done || cut
}

// The same over TCP and TLS, to a hub that is known by its key alone.
func TestCuts_OverTLSNothingIsLostAndNothingIsDoneTwice(t *testing.T) {
	w := newTownFor(t, func(c *bridge.Config) { c.Limits, c.LoopGuard = bridge.NoLimits, false })
	server := mcpserver.New(w.svc, mcpserver.Options{})
	mux := http.NewServeMux()
	mux.Handle(mcpserver.AgentsPath, server.Agents())
	hub := httptest.NewUnstartedServer(mux)
	hub.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of every cut
	hub.StartTLS()
	t.Cleanup(func() { server.Close(); hub.Close() })
	f := forward(t, hub.Listener.Addr().String())
	at := bridge.HubAddress{URL: "https://" + f.Addr().String(), Fingerprint: Fingerprint(hub.Certificate().RawSubjectPublicKeyInfo)}
	h, err := NewHub(at, w.token, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	n, stride := 0, 199
	if testing.Short() {
		stride = 797
	}
	for _, up := range []bool{true, false} {
		for bytes := 1; ; bytes += stride {
			far := NewRemote(h, RemoteOptions{Redact: w.svc.Redact})
			f.mu.Lock()
			f.next, f.done = &cut{up: up, at: bytes}, false
			f.mu.Unlock()
			if _, err := far.Send(w.ctx, bridge.Caller{}, bridge.SendRequest{Message: text(n)}); err != nil {
				t.Fatalf("%d bytes, up %t: send: %v", bytes, up, err)
			}
			far.client.CloseIdleConnections()
			f.mu.Lock()
			f.next = &cut{up: up, at: bytes}
			f.mu.Unlock()
			if err := w.tell(n); err != nil {
				t.Fatal(err)
			}
			if err := w.next(far, n, 0); err != nil {
				t.Fatalf("%d bytes, up %t: check: %v", bytes, up, err)
			}
			far.client.CloseIdleConnections()
			n++
			f.mu.Lock()
			cut := f.done
			f.mu.Unlock()
			if !cut {
				break
			}
		}
	}
	if n < 6 {
		t.Errorf("only %d cuts", n)
	}
	if err := w.allAcked(n); err != nil {
		t.Error(err)
	}
	list, err := w.svc.Messages(w.ctx, w.id, 0, 0)
	if err != nil || len(list) != 2*n {
		t.Errorf("%d messages, %v; want %d", len(list), err, 2*n)
	}
}
