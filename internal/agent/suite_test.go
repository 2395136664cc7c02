package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
	"agentbridge/internal/mcpserver"
)

// doors are the ways by which an agent's client comes to a bridge.
var doors = []string{"local", "http stateful", "http stateless", "remote"}

// enter connects a client of an agent by a door.
func (w *town) enter(door, token string, caller bridge.Caller) *mcp.ClientSession {
	w.t.Helper()
	version := ""
	var transport mcp.Transport
	switch door {
	case "http stateful":
		version = "2025-06-18"
		fallthrough
	case "http stateless":
		wire := &http.Transport{DialContext: w.dial}
		w.t.Cleanup(wire.CloseIdleConnections)
		transport = &mcp.StreamableClientTransport{Endpoint: "http://127.0.0.1:7483/mcp", HTTPClient: &http.Client{Transport: bearing{token, wire}}}
	case "local":
		server := mcpserver.New(w.svc, mcpserver.Options{})
		transport = w.stdio(func(in io.ReadCloser, out io.WriteCloser) {
			Run(w.ctx, Options{Service: w.svc, Server: server, Caller: caller, In: in, Out: out})
			server.Close()
		})
	case "remote":
		remote := w.far(token)
		server := mcpserver.New(remote, mcpserver.Options{})
		transport = w.stdio(func(in io.ReadCloser, out io.WriteCloser) {
			RunRemote(w.ctx, RemoteRun{Remote: remote, Server: server, In: in, Out: out})
			server.Close()
		})
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "tester", Version: "1"}, &mcp.ClientOptions{ResourceUpdatedHandler: w.handler}).
		Connect(w.ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { session.Close(); synctest.Wait() })
	return session
}

// far is the hub as the bridge of an agent with that token.
func (w *town) far(token string) *Remote {
	h, err := NewHub(bridge.HubAddress{URL: "http://127.0.0.1:7483/mcp"}, token, 15*time.Second)
	if err != nil {
		w.t.Fatal(err)
	}
	h.client.Transport = &http.Transport{DialContext: w.dial}
	return NewRemote(h, RemoteOptions{Redact: w.svc.Redact})
}

// stdio runs a process on pipes.
func (w *town) stdio(process func(io.ReadCloser, io.WriteCloser)) mcp.Transport {
	in, toServer := io.Pipe()
	fromServer, out := io.Pipe()
	ended := make(chan struct{})
	go func() { defer close(ended); process(in, out) }()
	w.t.Cleanup(func() { toServer.Close(); fromServer.Close(); <-ended })
	return &mcp.IOTransport{Reader: fromServer, Writer: toServer}
}

type bearing struct {
	token string
	*http.Transport
}

func (b bearing) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.Transport.RoundTrip(r)
}

// startAll brings a whole hub up.
func (w *town) startAll() {
	server := mcpserver.New(w.svc, mcpserver.Options{})
	mux := http.NewServeMux()
	mux.Handle("/mcp", server.Handler())
	mux.Handle("/keepalive", server.KeepAlive())
	mux.Handle(mcpserver.AgentsPath, server.Agents())
	w.serve(mux.ServeHTTP, server.Close)
}

// script is what alpha and beta do in the suite, a line each: who, tool, arguments. A value that an answer gave is remembered under its
// field's name and put in where $NAME stands; "meanwhile" begins a call that the next lines end, and "then" takes its answer.
const script = `
alpha create_conversation {"role":"lead","title":"suite","partners":[{"name":"bob","role":"helper"}]}
alpha create_conversation {"role":"lead","partners":[]}
alpha create_conversation {"conversation_id":"$conversation_id","partners":[{"name":"alpha","role":"x"}]}
beta join_conversation {"code":"$code"}
beta join_conversation {"code":"$code"}
beta join_conversation {"code":"abi1_nonsense"}
alpha send {"message":"one","key":"k1"}
alpha send {"message":"one","key":"k1"}
alpha send {"message":"other","key":"k1"}
alpha send {"message":"to nobody","to":["nobody"]}
alpha send {}
alpha send {"message":"x","colour":"red"}
alpha send {"message":"the key is AKIAIOSFODNN7EXAMPLQ","files_involved":["a.go"]}
beta check_messages {"limit":1}
beta check_messages {"ack":"none"}
beta check_messages {"ack":"$receipt"}
alpha check_partners {}
beta check_messages {}
beta check_messages {"ack":"rcpt_00"}
beta check_messages {"wait_seconds":500}
beta check_messages {"wait_seconds":7}
meanwhile beta check_messages {"wait_seconds":60}
alpha send {"message":"while you waited","files_involved":["a.go"],"action_type":"question"}
then
beta send {"message":"an answer","reply_to":"$message_id","files_involved":["a.go"]}
beta check_messages {"conversation_id":"conv_0000000000000000"}
alpha check_partners {}
alpha check_messages {}
alpha check_messages {}
beta update_status {"status":"blocked","note":"on alpha"}
beta update_status {"status":"asleep"}
alpha check_partners {}
alpha add_task {"title":"first","detail":"in full","key":"t1","files_involved":["b.go"]}
alpha add_task {"title":"first","detail":"in full","key":"t1","files_involved":["b.go"]}
alpha add_task {"title":"second","after":["$task_id"],"priority":5}
beta claim_task {"task_id":"$task_id","wait_seconds":2}
beta claim_task {}
beta claim_task {"wait_seconds":3}
alpha claim_task {"wait_seconds":3}
alpha claim_task {"task_id":"task_0000000000000000","wait_seconds":3}
beta list_tasks {"state":"claimed"}
beta update_task {"task_id":"$claimed","action":"renew","lease_token":$lease_token}
beta update_task {"task_id":"$claimed","action":"complete","lease_token":99}
alpha update_task {"task_id":"$claimed","action":"complete","lease_token":$lease_token,"result":"stolen"}
meanwhile alpha claim_task {"wait_seconds":60}
beta update_task {"task_id":"$claimed","action":"complete","lease_token":$lease_token,"result":"done"}
then
beta update_task {"task_id":"$claimed","action":"complete","lease_token":1,"result":"done"}
alpha update_task {"task_id":"$claimed","action":"release","lease_token":$lease_token,"result":"too hard"}
alpha update_task {"task_id":"$claimed","action":"assign","assign_to":"bob"}
alpha claim_task {"task_id":"$claimed"}
beta claim_task {"task_id":"$claimed"}
beta claim_task {"task_id":"$claimed"}
alpha update_task {"task_id":"$claimed","action":"cancel","result":"not wanted"}
beta update_task {"task_id":"$claimed","action":"renew","lease_token":$lease_token}
alpha list_tasks {"limit":1}
alpha list_tasks {"limit":1,"cursor":"$cursor"}
alpha list_tasks {"cursor":"nonsense"}
beta check_messages {}
alpha check_messages {}
alpha nonsense {}
`

// play plays the script by a door and gives what was answered.
func play(t *testing.T, door string) (transcript []string) {
	synctest.Test(t, func(t *testing.T) {
		w := emptyTown(t, nil)
		w.startAll()
		t.Cleanup(w.stop)
		t.Cleanup(sweeping(w.svc))
		sessions := map[string]*mcp.ClientSession{}
		for _, name := range []string{"alpha", "beta"} {
			caller, token := w.agent(name)
			sessions[name] = w.enter(door, token, caller)
		}
		known := map[string]string{}
		var pending chan string
		tell := func(line, answer string) {
			remember(answer, known)
			transcript = append(transcript, line+"\n\t"+answer)
		}
		for line := range strings.Lines(strings.TrimSpace(script)) {
			line = strings.TrimSpace(line)
			if line == "then" {
				tell(line, <-pending)
				continue
			}
			rest, later := strings.CutPrefix(line, "meanwhile ")
			who, rest, _ := strings.Cut(rest, " ")
			tool, arguments, _ := strings.Cut(rest, " ")
			for name, value := range known {
				arguments = regexp.MustCompile(`\$`+name+`\b`).ReplaceAllLiteralString(arguments, value)
			}
			answer := make(chan string, 1)
			go func() { answer <- callTool(w.ctx, sessions[who], tool, arguments) }()
			if !later {
				tell(line, <-answer)
				continue
			}
			synctest.Wait()
			time.Sleep(10 * time.Second)
			pending = answer
		}
		res, err := sessions["alpha"].ReadResource(w.ctx, &mcp.ReadResourceParams{URI: "agentbridge://conversation/" + known["conversation_id"]})
		if err != nil {
			t.Fatal(err)
		}
		transcript = append(transcript, res.Contents[0].Text)
		_, err = sessions["alpha"].ReadResource(w.ctx, &mcp.ReadResourceParams{URI: "agentbridge://conversation/conv_0000000000000000"})
		transcript = append(transcript, fmt.Sprint(err))
	})
	return blur(transcript)
}

// callTool gives all of an answer that a model or its program can see.
func callTool(ctx context.Context, s *mcp.ClientSession, tool, arguments string) string {
	res, err := s.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: json.RawMessage(arguments)})
	if err != nil {
		return "protocol error: " + err.Error()
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.Encode(res.StructuredContent)
	fmt.Fprintf(&b, "\terror %t: %s", res.IsError, res.Content[0].(*mcp.TextContent).Text)
	return b.String()
}

// remember notes what an answer gave, for the lines that follow: the fields of its shape by their names, and the id of a task that it
// shows whole as "claimed".
func remember(answer string, known map[string]string) {
	var shape map[string]any
	if json.NewDecoder(strings.NewReader(answer)).Decode(&shape) != nil {
		return
	}
	note := func(name string, v any) {
		switch v := v.(type) {
		case string:
			known[name] = v
		case float64:
			known[name] = fmt.Sprint(v)
		}
	}
	for name, v := range shape {
		switch v := v.(type) {
		case []any: // of invites and messages the first
			if len(v) > 0 && name != "tasks" {
				for name, v := range field(v[0]) {
					note(name, v)
				}
			}
		default:
			note(name, v)
		}
	}
	if task := field(shape["task"]); task != nil {
		note("claimed", task["task_id"])
	}
}

func field(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

var (
	random = regexp.MustCompile(`\b(?:conv|msg|task|rcpt)_[0-9a-f]{12,}|\babi1_[\w-]+|\bup to the mark \w+|\n\[\w+\]|\[[0-9a-f]{12}\]|"cursor":"[^"]*"|cursor \S+|\[REDACTED:[^\]]*\]|"audit_root":"[^"]*"`)
	// What the SDK's client says of how a protocol error came.
	transported = regexp.MustCompile(`sending "[^"]*": |: rejected by transport: Bad Request`)

	moment = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z|"last_seen_seconds":\d+`)
)

// blur takes out what differs each time: random values by what they are and in which order they came, and times.
func blur(lines []string) []string {
	seen := map[string]string{}
	for i, line := range lines {
		line = random.ReplaceAllStringFunc(line, func(id string) string {
			kind, _, _ := strings.Cut(strings.Trim(id, "[]\n"), "_")
			if strings.Contains(id, "audit_root") || !strings.Contains(id, "_") {
				return "<mark>"
			}
			if seen[id] == "" {
				seen[id] = fmt.Sprintf("<%s %d>", kind, len(seen)+1)
			}
			return seen[id]
		})
		line = transported.ReplaceAllString(line, "")
		lines[i] = moment.ReplaceAllString(line, "<time>")
	}
	return lines
}

// One suite for all doors: what a model gets does not depend on where its bridge is.
func TestSuite_EveryDoorGivesTheSameAnswers(t *testing.T) {
	want := play(t, "local")
	if len(want) < 60 {
		t.Fatalf("the script has %d answers", len(want))
	}
	for _, door := range doors[1:] {
		t.Run(door, func(t *testing.T) {
			got := play(t, door)
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("answer %d:\n%s\nwant as on the machine itself:\n%s", i, got[i], want[i])
				}
			}
		})
	}
}
