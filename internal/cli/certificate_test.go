package cli

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/agent"
	"agentbridge/internal/bridge"
)

// pair makes the certificate of a hub, and gives its files and its fingerprint.
func pair(t *testing.T) (cert, key, fingerprint string) {
	t.Helper()
	dir := t.TempDir()
	c, err := ownCertificate(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, selfMade), filepath.Join(dir, selfMadeKey), c.fingerprintOf(*c.now)
}

// shown is the fingerprint of the certificate that a client gets now.
func shown(t *testing.T, c *certificate) string {
	t.Helper()
	c.looked = time.Time{} // a second went by
	now, err := c.get(nil)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(now.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return agent.Fingerprint(leaf.RawSubjectPublicKeyInfo)
}

func TestCertificate_IsReadAnewWhenItsFilesChange(t *testing.T) {
	certFile, keyFile, first := pair(t)
	c, err := loadCertificate(certFile, keyFile, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	nextCert, nextKey, second := pair(t)
	for i, step := range []struct{ from, to, want string }{
		{"", "", first},
		{nextCert, certFile, first}, // half of it: the pair does not fit
		{nextKey, keyFile, second},
		{os.DevNull, certFile, second}, // and what cannot be read is not taken
	} {
		if step.from != "" {
			text, err := os.ReadFile(step.from)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(step.to, text, 0o600); err != nil {
				t.Fatal(err)
			}
			later := time.Now().Add(time.Duration(i) * time.Hour) // file systems may have coarse times
			if err := os.Chtimes(step.to, later, later); err != nil {
				t.Fatal(err)
			}
		}
		if got := shown(t, c); got != step.want {
			t.Errorf("step %d: clients get %s, want %s", i, got, step.want)
		}
	}
}

func TestCertificate_ThatBeginsLaterIsTakenThenAndToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		certFile, keyFile, first := pair(t)
		nextCert, nextKey, second := pair(t)
		key, err := os.ReadFile(nextKey)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(nextCert); err != nil {
			t.Fatal(err)
		}
		if err := makeCertificate(nextCert, key, time.Now().Add(3*time.Hour)); err != nil { // from two hours on
			t.Fatal(err)
		}
		var told strings.Builder
		c, err := loadCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&told, nil)))
		if err != nil {
			t.Fatal(err)
		}
		for from, to := range map[string]string{nextCert: certFile, nextKey: keyFile} {
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			if got := shown(t, c); got != first {
				t.Errorf("clients get %s, which has not begun", got)
			}
		}
		if n := strings.Count(told.String(), "cannot be used"); n != 1 {
			t.Errorf("it was told %d times", n)
		}
		time.Sleep(3 * time.Hour)
		if got := shown(t, c); got != second {
			t.Error("it has begun, and clients do not get it")
		}
	})
}

func TestCertificate_OfTheHubItselfStays(t *testing.T) {
	dir := t.TempDir()
	var first string
	for range 3 {
		c, err := ownCertificate(dir, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		got := shown(t, c)
		if first == "" {
			first = got
		}
		if got != first {
			t.Errorf("the next hub shows %s, want %s", got, first)
		}
		if err := os.Remove(filepath.Join(dir, selfMade)); err != nil { // the key alone is who it is
			t.Fatal(err)
		}
	}
}

func TestCertificate_InvitesPinWhatNobodyElseVouchesFor(t *testing.T) {
	certFile, keyFile, fingerprint := pair(t)
	c, err := loadCertificate(certFile, keyFile, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	want := bridge.HubAddress{URL: "https://hub.example", Fingerprint: fingerprint}
	if got := c.address("https://hub.example", "hub.example"); got != want {
		t.Errorf("invites say %+v, want %+v", got, want)
	}
}

func TestHubClient_TakesThePinnedKeyAndNoOther(t *testing.T) {
	certFile, keyFile, mine := pair(t)
	_, _, other := pair(t)
	c, err := loadCertificate(certFile, keyFile, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: c.get})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := conn.Read(make([]byte, 1024)); err == nil {
					_, _ = conn.Write([]byte("HTTP/1.1 204 No Content\r\n\r\n"))
				}
			}()
		}
	}()
	for _, try := range []struct {
		name, pin string
		code      bridge.Code
	}{{"the pinned key", mine, ""}, {"another key", other, bridge.Denied}, {"no pin", "", bridge.Internal}} {
		client, err := agent.HubClient(bridge.HubAddress{URL: "https://" + l.Addr().String(), Fingerprint: try.pin})
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Get("https://" + l.Addr().String())
		switch {
		case err == nil:
			res.Body.Close()
			if try.code != "" {
				t.Errorf("%s is taken", try.name)
			}
		case bridge.AsError(err).Code != try.code:
			t.Errorf("%s: %v, want code %q", try.name, err, try.code)
		}
		client.CloseIdleConnections()
	}
}

func TestCertificate_OneThatEndedIsNotTakenForOneThatIsGood(t *testing.T) {
	certFile, keyFile, first := pair(t)
	c, err := loadCertificate(certFile, keyFile, slog.New(slog.DiscardHandler))
	if err != nil || c.health() != nil {
		t.Fatal(err, c.health())
	}
	nextCert, nextKey := lapsed(t)
	for from, to := range map[string]string{nextCert: certFile, nextKey: keyFile} {
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, append(text, '\n'), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := shown(t, c); got != first {
		t.Errorf("clients get %s, want %s", got, first)
	}
	only, err := loadCertificate(nextCert, nextKey, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := only.health(); err == nil || !strings.Contains(err.Error(), "ended on") {
		t.Errorf("a certificate that ended is told as %v", err)
	}
}

// lapsed makes a certificate that has ended.
func lapsed(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	text, err := makeHubKey(keyFile, slog.New(slog.DiscardHandler))
	if err == nil {
		err = makeCertificate(certFile, text, time.Now().Add(-2*selfMadeFor))
	}
	if err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile
}
