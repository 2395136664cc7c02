package cli

import (
	"database/sql"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestServe_SaysWhetherItIsReadyAndWhatProtectsIt(t *testing.T) {
	address, process := hub(t, t.TempDir())
	base := strings.TrimSuffix(address, "/mcp")
	get := func(path string) (*http.Response, string) {
		t.Helper()
		res, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(body)
	}
	if res, body := get("/readyz"); res.StatusCode != http.StatusOK || body != "ready\n" {
		t.Errorf("/readyz: %s %q", res.Status, body)
	}
	res, _ := get("/mcp")
	challenge := res.Header.Get("WWW-Authenticate")
	_, where, ok := strings.Cut(challenge, `resource_metadata="`)
	where, _, _ = strings.Cut(where, `"`)
	u, err := url.Parse(where)
	if res.StatusCode != http.StatusUnauthorized || !ok || err != nil || !strings.HasPrefix(where, base+"/.well-known/") {
		t.Fatalf("without a token: %s, WWW-Authenticate %q", res.Status, challenge)
	}
	for _, path := range []string{u.Path, "/.well-known/oauth-protected-resource"} {
		res, body := get(path)
		var said struct {
			Resource string   `json:"resource"`
			Methods  []string `json:"bearer_methods_supported"`
		}
		if err := json.Unmarshal([]byte(body), &said); err != nil || res.StatusCode != http.StatusOK || said.Resource != address || len(said.Methods) != 1 || said.Methods[0] != "header" {
			t.Errorf("%s: %s %s", path, res.Status, body)
		}
	}
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
}

func TestServe_JoiningNeedsACodeAndANonce(t *testing.T) {
	dir := t.TempDir()
	address, _ := hub(t, dir)
	join := strings.TrimSuffix(address, "/mcp") + "/join"
	out, stderr, status := run(t, "create", "--data", dir, "--as", "alpha", "--role", "leads", "--partner", "beta=tests", "--json")
	if status != 0 {
		t.Fatal(stderr)
	}
	var made struct{ Invites []struct{ Code string } }
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatal(err)
	}
	post := func(body string) (status int, said map[string]any) {
		t.Helper()
		res, err := http.Post(join, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(&said); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, said
	}
	for body, want := range map[string]int{
		"":                         http.StatusBadRequest,
		"[]":                       http.StatusBadRequest,
		`{"code":"x","nonce":"x"}`: http.StatusBadRequest,
		strings.Repeat(" ", 1<<20): http.StatusBadRequest,
		`{"code":"abi1_x","nonce":"` + strings.Repeat("n", 30) + `"}`: http.StatusForbidden,
	} {
		if status, said := post(body); status != want || said["code"] == nil || said["hint"] == "" {
			t.Errorf("%.40q: %d %v, want %d", body, status, said, want)
		}
	}
	good := `{"code":"` + made.Invites[0].Code + `","nonce":"` + strings.Repeat("n", 30) + `"}`
	_, first := post(good)
	status, again := post(good)
	if token, _ := first["token"].(string); status != http.StatusOK || !strings.HasPrefix(token, "abt1_") || again["token"] != first["token"] {
		t.Errorf("joined as %v, and again as %v", first, again)
	}
	res, err := http.Get(join)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %s", res.Status)
	}
}

func TestWithin_ARequestThatNeverEndsLosesItsConnection(t *testing.T) {
	got := make(chan error, 1)
	srv := &http.Server{Handler: within(50*time.Millisecond, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		got <- err
	}))}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(l)
	defer srv.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err == nil {
		t.Error("the body is taken for whole")
	}
}

func TestFromProxy_TakesTheAddressThatTheProxyAdded(t *testing.T) {
	for _, tt := range []struct {
		name string
		said []string
		want string
	}{
		{"one", []string{"192.0.2.7"}, "192.0.2.7:0"},
		{"what the client made up comes first", []string{"198.51.100.1, 192.0.2.7"}, "192.0.2.7:0"},
		{"also in a line of its own", []string{"198.51.100.1", "203.0.113.9, 192.0.2.7"}, "192.0.2.7:0"},
		{"IPv6", []string{"[2001:db8::7]"}, "[2001:db8::7]:0"},
		{"none", nil, "10.0.0.1:4711"},
		{"what is no address", []string{"192.0.2.7, unknown"}, "10.0.0.1:4711"},
	} {
		got := ""
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = "10.0.0.1:4711", tt.said
		fromProxy(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr })).ServeHTTP(httptest.NewRecorder(), r)
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestServe_IsNotWellWhereALogWasChanged(t *testing.T) {
	dir := dataPath(t)
	if _, stderr, status := run(t, "create", "--data", dir, "--as", "alpha", "--partner", "beta=tests"); status != 0 {
		t.Fatal(stderr)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "bridge.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("UPDATE entries SET actor = 'mallory', record = zeroblob(length(record)) WHERE log LIKE 'conv_%' AND n = 0"); err != nil {
		t.Fatal(err)
	}
	url, _ := hub(t, dir)
	base := strings.TrimSuffix(url, "/mcp")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		code, text := page(t, "GET", base+"/healthz", "")
		if code == http.StatusServiceUnavailable && strings.Contains(text, "an audit log is not whole") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("/healthz: %d %s, want 503 and that a log is not whole", code, text)
		}
	}
	if code, text := page(t, "GET", base+"/readyz", ""); code != http.StatusOK {
		t.Errorf("/readyz: %d %s; it takes work all the same", code, text)
	}
}
