package workload

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

// knockTime is how long an answer is read that goes on, as a stream does.
const knockTime = 300 * time.Millisecond

// headers are what a client can write about itself and its request.
var headers = []string{
	"Accept", "Accept-Language", "Content-Type", "Cookie", "Forwarded", "Host", "Last-Event-Id", "Mcp-Method", "Mcp-Name", "Mcp-Protocol-Version", "Mcp-Session-Id",
	"Origin", "Referer", "Sec-Fetch-Site", "Traceparent", "Tracestate", "User-Agent", "X-Forwarded-For", "X-Forwarded-Host", "X-Request-Id",
}

// knock is one HTTP request.
type knock struct {
	method, path string
	header       map[string]string
	body         any // a string is sent as it is
}

// plantInHTTP puts secrets into everything that a request can hold.
func (n *nest) plantInHTTP(ctx context.Context, h *Hub, token string) error {
	bearer := "Bearer " + token
	modernHeaders := func() map[string]string {
		return map[string]string{
			"Authorization": bearer, "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
			"Mcp-Protocol-Version": modernVersion, "Mcp-Method": "tools/call", "Mcp-Name": "check_partners",
		}
	}
	var knocks []knock
	for _, shape := range HeaderShapes {
		for _, scheme := range []string{"Bearer ", "Basic ", "", "Bearer " + token} {
			knocks = append(knocks, knock{"POST", "/mcp", map[string]string{"Authorization": scheme + n.canaries.Plant("Authorization", shape)}, "{}"})
			knocks = append(knocks, knock{"GET", "/keepalive", map[string]string{"Authorization": scheme + n.canaries.Plant("Authorization of a keep-alive", shape)}, nil})
		}
		for _, name := range headers {
			shape := shape
			if name == "Host" {
				shape = GitHubToken // what else could be a host
			}
			modern := modernHeaders()
			modern[name] = n.canaries.Plant("header "+name, shape)
			knocks = append(knocks, knock{"POST", "/mcp", modern, toolCall("check_partners", nil)})
			older := map[string]string{"Authorization": bearer, "Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
			older[name] = n.canaries.Plant("older header "+name, shape)
			knocks = append(knocks, knock{"POST", "/mcp", older, request("initialize", map[string]any{
				"protocolVersion": "2025-06-18", "capabilities": map[string]any{}, "clientInfo": map[string]any{"name": "x", "version": "1"},
			})})
			stream := map[string]string{"Authorization": bearer, "Accept": "text/event-stream", "Mcp-Session-Id": "x"}
			stream[name] = n.canaries.Plant("header of a stream "+name, shape)
			knocks = append(knocks, knock{"GET", "/mcp", stream, nil})
			open := map[string]string{name: n.canaries.Plant("header of an open path "+name, shape)}
			knocks = append(knocks, knock{"GET", "/healthz", open, nil})
		}
		paths := []string{"/%s", "//%s", "/x/../%s", "/mcp/%s", "/mcp?token=%s", "/healthz?q=%s", "/metrics?q=%s", "/metrics/%s", "/keepalive?%s=1", "/join?code=%s", "/x/..//mcp?q=%s"}
		for _, path := range paths {
			knocks = append(knocks, knock{"GET", fmt.Sprintf(path, url.PathEscape(n.canaries.Plant("path "+path, shape))), map[string]string{"Authorization": bearer}, nil})
		}
		modern := func(method string) map[string]string {
			h := modernHeaders()
			h["Mcp-Method"] = method
			return h
		}
		method := n.canaries.Plant("method over http", shape)
		knocks = append(knocks, knock{"POST", "/mcp", modern(method), request(method, map[string]any{"_meta": modernMeta()})})
		tool := n.canaries.Plant("tool over http", shape)
		named := modern("tools/call")
		named["Mcp-Name"] = tool
		knocks = append(knocks, knock{"POST", "/mcp", named, toolCall(tool, nil)})
		uri := n.canaries.Plant("resource over http", shape)
		read := modern("resources/read")
		read["Mcp-Name"] = uri
		knocks = append(knocks, knock{"POST", "/mcp", read, request("resources/read", map[string]any{"uri": uri, "_meta": modernMeta()})})
		knocks = append(knocks,
			knock{"POST", "/mcp", modern("tools/call"), "{" + n.canaries.Plant("body that is no json", shape)},
			knock{"POST", "/mcp", map[string]string{"Authorization": bearer, "Content-Type": "application/json", "Accept": "application/json, text/event-stream"}, request(n.canaries.Plant("older method over http", shape), nil)},
			knock{"POST", "/mcp", modern("tools/call"), request("tools/call", map[string]any{"name": []any{n.canaries.Plant("tool of a wrong type over http", shape)}, "_meta": modernMeta()})},
			knock{"POST", "/mcp", modern("tools/call"), request("tools/call", map[string]any{"name": "check_partners", "_meta": map[string]any{metaVersion: n.canaries.Plant("version in a body", shape)}})},
			knock{"PURGE", "/mcp", map[string]string{"Authorization": bearer}, n.canaries.Plant("body of another verb", shape)},
		)
	}
	// The SDK's and Go's own words about what cannot be understood.
	knocks = append(knocks, knock{"POST", "/mcp", modernHeaders(), []any{toolCall(n.canaries.Plant("tool in a batch", SplitToken), nil)}})
	client := &http.Client{
		Transport:     http.DefaultTransport.(*http.Transport).Clone(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	for _, k := range knocks {
		if err := n.knock(ctx, client, h, k); err != nil {
			return fmt.Errorf("%s %s: %w", k.method, k.path, err)
		}
	}
	for _, line := range []string{"%s / HTTP/1.1\r\n\r\n", "GET / HTTP/%s\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n"} {
		if err := n.babble(h, fmt.Sprintf(line, n.canaries.Plant("what is no http", GitHubToken))); err != nil {
			return err
		}
	}
	return nil
}

// knock makes a request and keeps all of the answer.
func (n *nest) knock(ctx context.Context, client *http.Client, h *Hub, k knock) error {
	ctx, cancel := context.WithTimeout(ctx, knockTime)
	defer cancel()
	body, ok := k.body.(string)
	if !ok && k.body != nil {
		text, err := json.Marshal(k.body)
		if err != nil {
			return err
		}
		body = string(text)
	}
	req, err := http.NewRequestWithContext(ctx, k.method, h.URL(""), bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	req.URL.Opaque = k.path // as it is: net/url would put it in order
	if strings.HasPrefix(k.path, "//") {
		req.URL.Opaque = "//" + h.Address + k.path
	}
	for name, value := range k.header {
		if name == "Host" {
			req.Host = value
		} else {
			req.Header.Set(name, value)
		}
	}
	res, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil // a stream that has nothing to say
		}
		return err
	}
	defer res.Body.Close()
	head, _ := httputil.DumpResponse(res, false)
	rest, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20)) // until knockTime where it is a stream
	n.ledger.note("answers over http", append(head, rest...))
	return nil
}

// babble says something that is no HTTP.
func (n *nest) babble(h *Hub, text string) error {
	conn, err := net.Dial("tcp", h.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		return err
	}
	conn.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(conn)
	n.ledger.note("answers over http", answer)
	return err
}
