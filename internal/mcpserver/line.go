package mcpserver

import (
	"encoding/json"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// decode reads a JSON-RPC message from a line, or gives the line to answer with. The SDK's own reads the same, eight times as
// slowly and with 64 KiB of garbage (go-sdk 1.8.0).
func decode(line []byte) (msg jsonrpc.Message, complaint string) {
	var fields map[string]json.RawMessage // not a struct, which would take "Method" for "method"
	if err := json.Unmarshal(line, &fields); err != nil {
		if !json.Valid(line) {
			return nil, complain(jsonrpc.CodeParseError, "parse error: one JSON-RPC message a line")
		}
		return nil, notAMessage()
	}
	var version string
	var rawID any
	if json.Unmarshal(fields["jsonrpc"], &version) != nil || version != "2.0" {
		return nil, notAMessage()
	}
	if raw, ok := fields["id"]; ok && json.Unmarshal(raw, &rawID) != nil {
		return nil, notAMessage()
	}
	id, err := jsonrpc.MakeID(rawID)
	if err != nil {
		return nil, notAMessage()
	}
	if raw, ok := fields["method"]; ok {
		req := &jsonrpc.Request{ID: id, Params: fields["params"]}
		if json.Unmarshal(raw, &req.Method) != nil {
			return nil, notAMessage()
		}
		return req, ""
	}
	res := &jsonrpc.Response{ID: id, Result: fields["result"]}
	if raw, ok := fields["error"]; ok {
		wrong, err := decodeError(raw)
		if err != nil {
			return nil, notAMessage()
		}
		if wrong != nil {
			res.Error = wrong
		}
	}
	if !id.IsValid() {
		return nil, notAMessage()
	}
	return res, ""
}

// decodeError reads an error object; null is none.
func decodeError(raw json.RawMessage) (*jsonrpc.Error, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
		return nil, err
	}
	e := &jsonrpc.Error{Data: fields["data"]}
	for name, into := range map[string]any{"code": &e.Code, "message": &e.Message} {
		if value, ok := fields[name]; ok {
			if err := json.Unmarshal(value, into); err != nil {
				return nil, err
			}
		}
	}
	return e, nil
}

func notAMessage() string {
	return complain(jsonrpc.CodeInvalidRequest, "invalid request: a JSON-RPC 2.0 message, no batch")
}

// complain is the answer to what cannot be told to be a request of its own.
func complain(code int, message string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":null,"error":{"code":%d,"message":%q}}`+"\n", code, message)
}
