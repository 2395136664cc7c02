package mcpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"regexp"
	"strconv"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// What is said about a request is not said with its secrets: the SDK and net/http show what they do not understand.

// quotation is what %q or JSON writes.
var quotation = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// said masks the secrets in an error's text. What is quoted in it is looked at as it was before it was quoted, because an invisible
// character that splits a secret is a visible escape there.
func (s *Server) said(text string) string {
	text = quotation.ReplaceAllStringFunc(text, func(quoted string) string {
		bare, err := strconv.Unquote(quoted)
		if err != nil {
			return quoted
		}
		if clean := s.svc.Redact(bare); clean != bare {
			return strconv.Quote(clean)
		}
		return quoted
	})
	return s.svc.Redact(text)
}

// cleanError masks the secrets in an error that goes out as JSON-RPC. It also leaves out data that is no JSON, on which the SDK would
// close the session (go-sdk 1.8.0: a resource's URI is quoted as Go does it).
func (s *Server) cleanError(err error) error {
	if err == nil || cancelled(err) {
		return err
	}
	e, ok := errors.AsType[*jsonrpc.Error](err)
	if strings.Contains(err.Error(), "unmarshal") {
		// It shows pieces of what could not be read, and of a piece nobody can say whether it is a secret's.
		return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "invalid params: they do not fit the method"}
	}
	if !ok {
		if clean := s.said(err.Error()); clean != err.Error() {
			return errors.New(clean)
		}
		return err
	}
	clean := &jsonrpc.Error{Code: e.Code, Message: e.Message}
	if err != error(e) {
		clean.Message = err.Error() // what is wrapped around it is shown as well
	}
	clean.Message = s.said(clean.Message)
	var data any
	if json.Unmarshal(e.Data, &data) == nil {
		before, _ := json.Marshal(data)
		clean.Data, _ = json.Marshal(s.cleanLeaves(data))
		if bytes.Equal(before, clean.Data) {
			clean.Data = e.Data
		}
	}
	return clean
}

// cleanLeaves masks the secrets in the texts of a decoded JSON value, the names of fields among them.
func (s *Server) cleanLeaves(v any) any {
	switch v := v.(type) {
	case string:
		return s.svc.Redact(v)
	case []any:
		for i := range v {
			v[i] = s.cleanLeaves(v[i])
		}
	case map[string]any:
		clean := make(map[string]any, len(v))
		for name, value := range v {
			clean[s.svc.Redact(name)] = s.cleanLeaves(value)
		}
		return clean
	}
	return v
}

// cleanAnswer masks the secrets in the body of an HTTP answer that reports an error: a JSON-RPC error, alone or as an event, or plain
// text. What tells of no error is left as it is.
func (s *Server) cleanAnswer(status int, body []byte) []byte {
	failed := status >= 400
	if !failed && !bytes.Contains(body, []byte(`"error":{`)) {
		return body
	}
	start, end := bytes.IndexByte(body, '{'), bytes.LastIndexByte(body, '}')
	if start >= 0 && start < end {
		if msg, err := jsonrpc.DecodeMessage(body[start : end+1]); err == nil {
			res, ok := msg.(*jsonrpc.Response)
			if !ok || res.Error == nil {
				return body
			}
			res.Error = s.cleanError(res.Error)
			if text, err := jsonrpc.EncodeMessage(res); err == nil {
				return append(append(bytes.Clone(body[:start]), text...), body[end+1:]...)
			}
		}
	}
	if failed {
		if before, _, ok := bytes.Cut(body, []byte("malformed payload:")); ok {
			body = append(bytes.Clone(before), "malformed payload: one JSON-RPC message is needed\n"...) // what followed shows a piece of it
		}
		return []byte(s.said(string(body)))
	}
	return body
}

// careful is a log in which the SDK's words have their secrets masked, and which has nothing below a level.
type careful struct {
	slog.Handler
	server *Server
	level  slog.Level
}

func (h careful) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}

func (h careful) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, h.server.said(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.clean(a))
		return true
	})
	return h.Handler.Handle(ctx, clean)
}

// clean masks an attribute by what it would be shown as. Groups are shown so, too: the SDK has none.
func (h careful) clean(a slog.Attr) slog.Attr {
	a.Value = a.Value.Resolve()
	switch a.Value.Kind() {
	case slog.KindString, slog.KindAny, slog.KindGroup:
		return slog.String(a.Key, h.server.said(a.Value.String()))
	}
	return a
}

func (h careful) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.clean(a)
	}
	return careful{h.Handler.WithAttrs(clean), h.server, h.level}
}

func (h careful) WithGroup(n string) slog.Handler {
	return careful{h.Handler.WithGroup(n), h.server, h.level}
}
