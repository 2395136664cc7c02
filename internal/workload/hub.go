package workload

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Anywhere is a loopback address with a port that the system chooses.
const Anywhere = "127.0.0.1:0"

// Hub is a running `agentbridge serve`.
type Hub struct {
	Address string // host and port, to be given to [Program.Serve] again after a restart
	TLS     bool
	process *exec.Cmd
	talk    sync.WaitGroup // reading its stderr
}

// Serve starts a hub at an address, mostly a loopback one, and returns once it listens. The caller ends it with [Hub.Stop] or [Hub.Kill].
// More are further flags of `serve`.
func (p Program) Serve(ctx context.Context, address string, more ...string) (*Hub, error) {
	return ServeWith(ctx, p.Command(append([]string{"serve", "--listen", address}, more...)...))
}

// ServeWith starts anything that says on stderr where it listens, as a hub does. What it says later goes to the command's Stderr.
func ServeWith(ctx context.Context, process *exec.Cmd) (*Hub, error) {
	h, to := &Hub{process: process}, process.Stderr
	h.process.Stderr = nil
	stderr, err := h.process.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := h.process.Start(); err != nil {
		return nil, fmt.Errorf("start a hub: %w", err)
	}
	listens := make(chan string, 1)
	h.talk.Go(func() { listens <- h.listen(stderr, to) })
	select {
	case h.Address = <-listens:
	case <-ctx.Done():
	}
	if h.Address == "" {
		h.Kill()
		return nil, errors.Join(ctx.Err(), errors.New("start a hub: it does not listen"))
	}
	// What it says later goes the same way; it ends with the process.
	h.talk.Go(func() { io.Copy(orNowhere(to), stderr) })
	return h, nil
}

// listen reads what a hub says until it says where it listens: empty if it never did.
func (h *Hub) listen(stderr io.Reader, to io.Writer) string {
	for line := range lines(stderr) {
		if _, after, ok := strings.Cut(line, "listening on http"); ok {
			after, h.TLS = strings.CutPrefix(after, "s")
			address, _, _ := strings.Cut(strings.TrimPrefix(after, "://"), "/")
			return address
		}
		fmt.Fprintln(orNowhere(to), line)
	}
	return ""
}

// lines reads line by line and nothing ahead, so that somebody else can read on.
func lines(r io.Reader) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		s := bufio.NewScanner(single{r})
		for s.Scan() && yield(s.Text()) {
		}
	}
}

// single reads a byte at a time.
type single struct{ io.Reader }

func (s single) Read(b []byte) (int, error) { return s.Reader.Read(b[:min(1, len(b))]) }

func orNowhere(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// URL is where a path of the hub is.
func (h *Hub) URL(path string) string {
	if h.TLS {
		return "https://" + h.Address + path
	}
	return "http://" + h.Address + path
}

// PID is the id of the hub's process.
func (h *Hub) PID() int { return h.process.Process.Pid }

// Stop asks the hub to end, as a service manager does, and waits for it.
func (h *Hub) Stop() error {
	if err := h.process.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return h.wait()
}

// Kill ends the hub as a crash would.
func (h *Hub) Kill() {
	h.process.Process.Kill()
	h.wait()
}

func (h *Hub) wait() error {
	h.talk.Wait()
	if err := h.process.Wait(); err != nil {
		return fmt.Errorf("the hub ends: %w", err)
	}
	return nil
}

// Token makes a new agent that is not of this machine and gives its token.
func (p Program) Token(name string) (string, error) {
	out, err := p.Command("token", "new", "--name", name).Output()
	if err != nil {
		return "", fmt.Errorf("make a token for %s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Play connects an agent to the hub over HTTP. The caller ends it with [Player.Leave].
func (h *Hub) Play(ctx context.Context, name, token string) (*Player, error) {
	wire := bearer{token, http.DefaultTransport.(*http.Transport).Clone()}
	p, err := Dial(ctx, name, &mcp.StreamableClientTransport{Endpoint: h.URL("/mcp"), HTTPClient: &http.Client{Transport: wire}})
	if err != nil {
		wire.CloseIdleConnections()
		return nil, err
	}
	p.hangUp = wire.CloseIdleConnections
	return p, nil
}

// bearer puts an agent's token into each of its requests.
type bearer struct {
	token string
	*http.Transport
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.Transport.RoundTrip(r)
}
