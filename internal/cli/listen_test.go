package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
)

func TestWithin_HalfABodyEndsItsConnectionWhateverTheHandlerDoes(t *testing.T) {
	for name, handle := range map[string]http.HandlerFunc{
		"reads on": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			w.WriteHeader(http.StatusBadRequest)
		},
		"closes it":    func(w http.ResponseWriter, r *http.Request) { r.Body.Close(); w.WriteHeader(http.StatusBadRequest) },
		"leaves it be": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusBadRequest) },
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(within(50*time.Millisecond, handle))
			defer srv.Close()
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.ReadAll(conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the connection stays: %v", err)
			}
		})
	}
}

func TestAnnouncing_OutlastsAnotherHubOfTheDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, dir := &program{log: slog.New(slog.DiscardHandler)}, t.TempDir()
		hub := func(url string) (end func()) {
			ctx, stop := context.WithCancel(t.Context())
			loop, err := p.announcing(ctx, dir, func() bridge.HubAddress { return bridge.HubAddress{URL: url} })
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			wg.Go(loop)
			return func() { stop(); wg.Wait() }
		}
		one := hub("https://one.example")
		two := hub("https://two.example")
		two()
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if at := p.announced(dir)(); at.URL != "https://one.example" {
			t.Errorf("the hub that runs is at %q", at.URL)
		}
		one()
		if at := p.announced(dir)(); at.URL != "" {
			t.Errorf("no hub runs, and it is at %q", at.URL)
		}
	})
}
