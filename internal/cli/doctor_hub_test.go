package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// hubFindings are what the doctor says of a hub.
func hubFindings(t *testing.T, server string, patience time.Duration) map[string]finding {
	t.Helper()
	t.Setenv("AGENTBRIDGE_TOKEN", "")
	conf, err := loadConfig(map[string]string{"data": dataPath(t)}, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d := &diagnosis{}
	(&program{}).examineHub(ctx, conf, server, d)
	found := map[string]finding{}
	for _, f := range d.Findings {
		if !f.OK && f.Hint == "" {
			t.Errorf("%s: %s has no hint", f.What, f.Says)
		}
		found[f.What] = f
	}
	return found
}

func TestDoctor_HubThatDoesNotAnswerIsLeftInTime(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	start := time.Now()
	f := hubFindings(t, "http://"+l.Addr().String(), 200*time.Millisecond)["hub"]
	if f.OK || !strings.Contains(f.Says, "does not answer within") || time.Since(start) > 5*time.Second {
		t.Errorf("%+v after %s", f, time.Since(start))
	}
}

func TestDoctor_HubWithACertificateThatNobodySignedIsAFault(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it hears that we hang up
	s.StartTLS()
	defer s.Close()
	if f := hubFindings(t, s.URL, time.Minute)["hub"]; f.OK || !strings.Contains(f.Says, "certificate is not good") {
		t.Errorf("%+v", f)
	}
}

func TestDoctor_CertificateThatEndsSoonIsAFault(t *testing.T) {
	for left, ok := range map[time.Duration]bool{90 * 24 * time.Hour: true, 6 * 24 * time.Hour: false, -time.Hour: false} {
		d := &diagnosis{}
		examineCertificate(&tls.ConnectionState{PeerCertificates: []*x509.Certificate{{NotAfter: time.Now().Add(left)}}}, d)
		if len(d.Findings) != 1 || d.Findings[0].OK != ok || !ok && d.Findings[0].Hint == "" {
			t.Errorf("%s left: %+v, want ok %v", left, d.Findings, ok)
		}
	}
}

func TestDoctor_HubWhoseClockIsWrongIsAFault(t *testing.T) {
	for off, ok := range map[time.Duration]bool{0: true, time.Hour: false, -time.Minute: false} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
		}))
		if f := hubFindings(t, s.URL, time.Minute)["hub's clock"]; f.OK != ok {
			t.Errorf("a clock that is %s off: %+v, want ok %v", off, f, ok)
		}
		s.Close()
	}
}

func TestDoctor_WhatIsNoHubIsAFault(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	if f := hubFindings(t, s.URL, time.Minute)["hub"]; f.OK || !strings.Contains(f.Says, "404") {
		t.Errorf("%+v", f)
	}
}
