package mcpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
)

// planted is an invented secret that fuzzed inputs hold where they say SECRET; no answer may have a piece of it.
var planted = "ghp_" + strings.Repeat("a1B2c3D4e", 4)

// leaks reports whether a text has eight characters in a row of the planted secret.
func leaks(text string) bool {
	for i := range len(planted) - 8 - len("ghp_") + 1 {
		if strings.Contains(text, planted[len("ghp_")+i:][:8]) {
			return true
		}
	}
	return false
}

// fuzzed is a world with an agent in a conversation, and a request of it that never waits.
func fuzzed(f *testing.F) (w *world, token string, x *exchange) {
	conf := bridge.Defaults()
	conf.Limits = bridge.NoLimits
	w = worldAt(f, ":memory:", conf, Options{})
	token, _, err := w.NewAgent(w.ctx, "alpha", true)
	if err != nil {
		f.Fatal(err)
	}
	caller, err := w.Authenticate(w.ctx, token, bridge.Origin{Instance: "fuzz", Local: true})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := w.Create(w.ctx, caller, bridge.CreateRequest{Partners: []bridge.Partner{{Name: "beta"}}}); err != nil {
		f.Fatal(err)
	}
	over, end := context.WithCancel(w.ctx)
	end()
	return w, token, &exchange{caller: caller, line: "fuzz", gone: w.ctx, end: func() {}, leaving: over}
}

// FuzzArguments passes anything as the arguments of each tool: receipts, cursors, codes, ids, names and texts are among them.
func FuzzArguments(f *testing.F) {
	w, _, x := fuzzed(f)
	for i := range tools {
		f.Add(uint8(i), []byte(`{"message":"SECRET","conversation_id":"SECRET","code":"SECRET","cursor":"SECRET","ack":"SECRET","title":"SECRET"}`))
		for _, seed := range []string{
			``, `{}`, `null`, `[1]`, `{"SECRET":1}`, `{"message":"hello SECRET"}`, `{"ack":"SECRET"}`, `{"ack":"r1.SECRET"}`, `{"cursor":"SECRET"}`, `{"cursor":"12.3"}`, `{"code":"SECRET"}`, `{"code":"abi1_x_SECRET"}`,
			`{"title":"SECRET","after":["SECRET"]}`, `{"task_id":"SECRET","action":"renew"}`, `{"status":"working","note":"SECRET"}`, `{"partners":[{"name":"SECRET","role":"SECRET"}]}`, `{"wait_seconds":1e99}`, `{"limit":-1}`, "{\"message\":\"\\u001b[0m\\udc00\"}",
		} {
			f.Add(uint8(i), []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, arguments []byte) {
		t1 := tools[int(which)%len(tools)]
		ctx := context.WithValue(w.ctx, exchangeKey{}, x)
		one := *x
		w.server.answers.arrived(&one, w.server.answers.moment())
		defer w.server.answers.over(&one, true)
		ctx = context.WithValue(ctx, exchangeKey{}, &one)
		arguments = bytes.ReplaceAll(arguments, []byte("SECRET"), []byte(planted))
		res, err := w.server.callTool(ctx, &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: t1.name, Arguments: arguments}}, t1, parseSchema(t1.schema))
		if err != nil {
			t.Fatalf("%s %s: %v", t1.name, arguments, err)
		}
		text, err := json.Marshal(res)
		if err != nil {
			t.Fatal(err)
		}
		if leaks(string(text)) {
			t.Errorf("%s %s is answered with %s", t1.name, arguments, text)
		}
		if e, ok := res.StructuredContent.(*bridge.Error); ok && e.Code == bridge.Internal {
			t.Errorf("%s %s is an internal error: %s", t1.name, arguments, text)
		}
	})
}

// FuzzBearer says anything as who it is: nothing but a token gets in, however it is written.
func FuzzBearer(f *testing.F) {
	w, token, _ := fuzzed(f)
	handler := w.server.Handler()
	for _, seed := range []string{"", "Bearer", "Bearer TOKEN", "bearer TOKEN", "Bearer  TOKEN", "Bearer TOKEN x", "Basic TOKEN", "Bearer SECRET", "Bearer abt1_x_SECRET", "Bearer TOKENA", "TOKEN"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		header = strings.ReplaceAll(strings.ReplaceAll(header, "TOKEN", token), "SECRET", planted)
		r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/mcp", strings.NewReader("{}"))
		r.Header["Authorization"] = []string{header}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		fields := strings.Fields(header)
		good := len(fields) == 2 && strings.EqualFold(fields[0], "Bearer") && fields[1] == token
		if refused := answer.Code == http.StatusUnauthorized || answer.Code == http.StatusTooManyRequests; refused == good {
			t.Errorf("%q is answered with %d", header, answer.Code)
		}
		if said := answer.Body.String(); leaks(said) || strings.Contains(said, token[8:]) {
			t.Errorf("%q is answered with %s", header, said)
		}
	})
}

// FuzzResource reads anything as a resource: what is said of it is JSON and holds no secret.
func FuzzResource(f *testing.F) {
	w, _, x := fuzzed(f)
	for _, seed := range []string{"", uriPrefix, uriPrefix + "SECRET", "SECRET", uriPrefix + "conv_0123456789abcdef", "\x1b", uriPrefix + "\x1b[0m", uriPrefix + "'; --"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		uri = strings.ReplaceAll(uri, "SECRET", planted)
		ctx := context.WithValue(w.ctx, exchangeKey{}, x)
		_, err := w.server.readConversation(ctx, &mcp.ReadResourceRequest{Params: &mcp.ReadResourceParams{URI: uri}})
		if err == nil {
			t.Fatalf("there is a resource %q", uri)
		}
		line, err := jsonrpc.EncodeMessage(&jsonrpc.Response{Error: w.server.cleanError(err)})
		if err != nil || !json.Valid(line) || leaks(string(line)) {
			t.Errorf("%q is answered with %s, %v", uri, line, err)
		}
	})
}
