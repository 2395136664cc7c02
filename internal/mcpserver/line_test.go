package mcpserver

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// FuzzDecode holds our reading of a line against the SDK's: what both take for a message is the same message, and what we take,
// it takes.
func FuzzDecode(f *testing.F) {
	for _, line := range []string{
		toolCall("1", "send", `{"message":"hello"}`),
		`{"jsonrpc":"2.0","id":"a","result":{"x":[1,2]}}`, `{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"no"}}`,
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`, `{"jsonrpc":"2.0","id":null,"method":"x"}`,
		`{"JSONRPC":"2.0","Method":"x"}`, `{"jsonrpc":"2.0","id":1,"Method":"x","method":"y"}`, `{"jsonrpc":"2.0","id":1}`,
		`{"jsonrpc":"2.0","id":1,"error":null}`, `{"jsonrpc":"2.0","id":[1],"method":"x"}`, `[]`, `null`, `{}`, `7`, `{"jsonrpc":"2.0"`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		got, complaint := decode(line)
		if (got == nil) == (complaint == "") {
			t.Fatalf("decode(%q) = %v and complains %q", line, got, complaint)
		}
		if got == nil {
			return
		}
		want, err := jsonrpc.DecodeMessage(line)
		if err != nil {
			return // it takes no deep nesting, for one, and refuses that in the params too
		}
		gotLine, _ := jsonrpc.EncodeMessage(got)
		wantLine, _ := jsonrpc.EncodeMessage(want)
		if d := cmp.Diff(string(wantLine), string(gotLine)); d != "" {
			t.Errorf("decode(%q) differs from the SDK's (-want +got):\n%s", line, d)
		}
	})
}
