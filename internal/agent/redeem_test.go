package agent

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"agentbridge/internal/bridge"
	"agentbridge/internal/mcpserver"
	"agentbridge/internal/redact"
	"agentbridge/internal/sqlite"
)

const someNonce = "0123456789abcdefghijklmn"

// hubWith is a hub with TLS, behind what is done to its requests, and the code of an invite of beta's.
func hubWith(t *testing.T, conf bridge.Config, meddle func(hub http.Handler) http.Handler) (srv *httptest.Server, svc *bridge.Service, code string) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	scanner, err := redact.New(redact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	at := bridge.HubAddress{}
	svc, err = bridge.New(t.Context(), store, bridge.Options{
		Config: conf, Keys: bridge.NewKeyRing(), Scanner: scanner, Address: func() bridge.HubAddress { return at },
	})
	if err != nil {
		t.Fatal(err)
	}
	srv = httptest.NewTLSServer(meddle(mcpserver.New(svc, mcpserver.Options{}).Join()))
	t.Cleanup(srv.Close)
	at = bridge.HubAddress{URL: srv.URL, Fingerprint: Fingerprint(srv.Certificate().RawSubjectPublicKeyInfo)}
	return srv, svc, invite(t, svc)
}

func invite(t *testing.T, svc *bridge.Service) (code string) {
	t.Helper()
	token, _, err := svc.NewAgent(t.Context(), "alpha", true)
	if err != nil {
		t.Fatal(err)
	}
	alpha, err := svc.Authenticate(t.Context(), token, bridge.Origin{Local: true})
	if err != nil {
		t.Fatal(err)
	}
	made, err := svc.Create(t.Context(), alpha, bridge.CreateRequest{Partners: []bridge.Partner{{Name: "beta", Role: "tests"}}})
	if err != nil {
		t.Fatal(err)
	}
	return made.Invites[0].Code
}

func asItIs(hub http.Handler) http.Handler { return hub }

func TestRedeem_ALostAnswerIsAskedForAgainAndIsTheSame(t *testing.T) {
	lost, asked := "", 0
	_, svc, code := hubWith(t, bridge.Config{}, func(hub http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if asked++; asked == 1 {
				said := httptest.NewRecorder()
				hub.ServeHTTP(said, r)
				lost = said.Body.String()
				panic(http.ErrAbortHandler) // the hub did it, and the line broke
			}
			hub.ServeHTTP(w, r)
		})
	})
	res, at, err := Redeem(t.Context(), "  "+code[:50]+"\n  "+code[50:]+" \n", someNonce)
	if err != nil {
		t.Fatal(err)
	}
	if asked != 2 || !strings.Contains(lost, res.Token) || at.Fingerprint == "" || res.Agent != "beta" {
		t.Errorf("asked %d times, got %+v at %+v; lost was %s", asked, res, at, lost)
	}
	if _, err := svc.Authenticate(t.Context(), res.Token, bridge.Origin{}); err != nil {
		t.Error(err)
	}
}

func TestRedeem_WhatIsNotGoodIsRefusedAndToldFromWhatMayPass(t *testing.T) {
	says := func(status int, kind, text string) func(http.Handler) http.Handler {
		return func(http.Handler) http.Handler { return answer(status, kind, text) }
	}
	for _, tt := range []struct {
		name   string
		meddle func(http.Handler) http.Handler
		code   func(string) string
		want   bridge.Code
		hint   string
	}{
		{"used by another", nil, nil, bridge.Conflict, "new invite"},
		{"of another hub", asItIs, func(string) string { return "" }, bridge.Invalid, "not used up"},
		{"truncated", asItIs, func(c string) string { return c[:len(c)-5] }, bridge.Invalid, "not used up"},
		{"cut to its secret", asItIs, func(c string) string { return c[:37] }, bridge.Invalid, "no hub runs"},
		{"a word changed", asItIs, func(c string) string { return c[:60] + "AAAA" + c[64:] }, bridge.Invalid, "not used up"},
		{"a token", asItIs, func(string) string { return "abt1_x_y" }, bridge.Invalid, "not used up"},
		{"a page", says(200, "text/html", "<html>sign in</html>"), nil, bridge.Invalid, "whoever invited you"},
		{"a page that is missing", says(404, "text/html", "nothing"), nil, bridge.Invalid, "whoever invited you"},
		{"JSON of something else", says(200, "application/json", `{"token":7}`), nil, bridge.Invalid, "whoever invited you"},
		{"no name to show", says(200, "application/json", `{"token":"abt1_x_y","agent":"\u001b]0;x"}`), nil, bridge.Invalid, "whoever invited you"},
		{"no token to keep", says(200, "application/json", `{"token":"abt1_x_y\nabt1_x_z","agent":"beta"}`), nil, bridge.Invalid, "whoever invited you"},
		{"a token without end", says(200, "application/json", `{"token":"`+strings.Repeat("a", 1<<16)+`","agent":"beta"}`), nil, bridge.Invalid, "whoever invited you"},
		{"a redirect", says(307, "application/json", `{}`), nil, bridge.Invalid, "whoever invited you"},
		{"an error of ours with another status", says(502, "application/json", `{"code":"denied","message":"m"}`), nil, bridge.Invalid, "whoever invited you"},
		{"a refusal", says(403, "application/json", `{"code":"denied","message":"\u001b[31mred","hint":"h"}`), nil, bridge.Denied, "h"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			meddle := tt.meddle
			if meddle == nil {
				meddle = asItIs
			}
			_, _, code := hubWith(t, bridge.Config{}, meddle)
			if tt.meddle == nil {
				if _, _, err := Redeem(t.Context(), code, "another-nonce-of-somebody"); err != nil {
					t.Fatal(err)
				}
			}
			if tt.code != nil {
				code = tt.code(code)
			}
			_, _, err := Redeem(t.Context(), code, someNonce)
			e := bridge.AsError(err)
			if err == nil || e.Code != tt.want || !strings.Contains(e.Hint, tt.hint) || strings.ContainsAny(e.Text(), "\x1b") {
				t.Errorf("%v (%q), want %s and a hint of %q", err, e.Hint, tt.want, tt.hint)
			}
		})
	}
}

func TestRedeem_WhatTheHubSaysOfTheSeatDoesNothingToATerminal(t *testing.T) {
	_, _, code := hubWith(t, bridge.Config{}, func(http.Handler) http.Handler {
		return answer(200, "application/json", `{"token":"abt1_x_y","agent":"beta","join":{"conversation_id":"conv\u001b[2J","you":{"name":"beta\u001b]0;x\u0007","role":"\u202etests"},
			"partners":[{"name":"al\u009b2Jpha","role":"\u001b[31mleads"}]}}`)
	})
	got, _, err := Redeem(t.Context(), code, someNonce)
	if err != nil {
		t.Fatal(err)
	}
	want := bridge.JoinResult{Conversation: "conv", You: bridge.You{Name: "beta", Role: "tests"}, Partners: []bridge.You{{Name: "alpha", Role: "leads"}}}
	if diff := cmp.Diff(want, got.Join); diff != "" {
		t.Errorf("of the seat (-want +got):\n%s", diff)
	}
}

func TestRedeem_AnExpiredCodeIsToldSo(t *testing.T) {
	conf := bridge.Defaults()
	conf.InviteTTL = time.Nanosecond
	_, _, code := hubWith(t, conf, asItIs)
	if _, _, err := Redeem(t.Context(), code, someNonce); !errors.Is(err, bridge.Expired) {
		t.Errorf("%v, want expired", err)
	}
}

func TestRedeem_TheCodeGoesToNobodyElse(t *testing.T) {
	got := make(chan string, 10)
	listening := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
	})
	quiet := func() {
		t.Helper()
		select {
		case body := <-got:
			t.Errorf("somebody else got %q", body)
		default:
		}
	}
	elsewhere := httptest.NewServer(listening)
	defer elsewhere.Close()
	_, _, code := hubWith(t, bridge.Config{}, func(http.Handler) http.Handler {
		return http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect)
	})
	if _, _, err := Redeem(t.Context(), code, someNonce); !errors.Is(err, bridge.Invalid) {
		t.Errorf("a hub that sends us elsewhere: %v", err)
	}
	quiet()

	srv, _, code := hubWith(t, bridge.Config{}, asItIs)
	address := srv.Listener.Addr().String()
	srv.Close()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	impostor := &http.Server{Handler: listening, TLSConfig: &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}, ErrorLog: log.New(io.Discard, "", 0)}
	go impostor.ServeTLS(l, "", "")
	defer impostor.Close()
	_, _, err = Redeem(t.Context(), code, someNonce)
	if e := bridge.AsError(err); e.Code != bridge.Denied || !strings.Contains(e.Message, "another certificate") {
		t.Errorf("%v, want that it is another's certificate", err)
	}
	quiet()
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	as := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(nil, as, as, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
