package workload

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"sync"
)

// ledger keeps all bytes that came out of the program, by place.
type ledger struct {
	mu sync.Mutex // guards at
	at map[string]*bytes.Buffer
}

func (l *ledger) note(place string, data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at == nil {
		l.at = map[string]*bytes.Buffer{}
	}
	if l.at[place] == nil {
		l.at[place] = &bytes.Buffer{}
	}
	l.at[place].Write(data)
	l.at[place].WriteByte('\n')
}

// to gives a writer into a place.
func (l *ledger) to(place string) io.Writer { return notes{l, place} }

type notes struct {
	*ledger
	place string
}

func (n notes) Write(p []byte) (int, error) {
	n.note(n.place, p)
	return len(p), nil
}

// wire is an MCP client of the older protocol on stdio that says what it is told, right or wrong, and keeps every byte it hears.
type wire struct {
	name    string
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	ledger  *ledger
	last    int
}

// wire starts an agent's process and greets it.
func (p Program) wire(name string, l *ledger) (*wire, error) {
	w := &wire{name: name, process: p.Command("mcp", "--as", name), ledger: l}
	var err error
	if w.in, err = w.process.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := w.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.out = bufio.NewReader(out)
	if err := w.process.Start(); err != nil {
		return nil, err
	}
	_, err = w.ask("initialize", map[string]any{
		"protocolVersion": "2025-06-18", "capabilities": map[string]any{}, "clientInfo": map[string]any{"name": name, "version": "1"},
	})
	if err == nil {
		err = w.say([]byte(`{"jsonrpc":"2.0","method":"notifications/initialized"}`))
	}
	return w, err
}

// say writes a line.
func (w *wire) say(line []byte) error {
	_, err := w.in.Write(append(line, '\n'))
	return err
}

// hear reads the next line that is an answer.
func (w *wire) hear() (answer rpcAnswer, err error) {
	for {
		line, err := w.out.ReadBytes('\n')
		if err != nil {
			return answer, fmt.Errorf("%s: read an answer: %w", w.name, err)
		}
		w.ledger.note("answers to "+w.name+" on stdio", line)
		answer = rpcAnswer{}
		if json.Unmarshal(line, &answer) == nil && answer.Method == "" {
			return answer, nil
		}
	}
}

// rpcAnswer is what matters of an answer.
type rpcAnswer struct {
	Method string // a notification has one
	Error  json.RawMessage
	Result struct {
		IsError           bool
		StructuredContent json.RawMessage
	}
}

// ask makes a request and waits for its answer.
func (w *wire) ask(method string, params any) (rpcAnswer, error) {
	w.last++
	line, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": w.last, "method": method, "params": params})
	if err != nil {
		return rpcAnswer{}, err
	}
	if err := w.say(line); err != nil {
		return rpcAnswer{}, err
	}
	return w.hear()
}

// call calls a tool and reads what it gives; a refusal is no error here.
func (w *wire) call(tool string, arguments, result any) error {
	a, err := w.ask("tools/call", map[string]any{"name": tool, "arguments": arguments})
	if err != nil || result == nil {
		return err
	}
	if a.Result.IsError || a.Error != nil {
		return fmt.Errorf("%s: %s %s%s", w.name, tool, a.Result.StructuredContent, a.Error)
	}
	return json.Unmarshal(a.Result.StructuredContent, result)
}

// leave hangs up and waits for the process to end.
func (w *wire) leave() error {
	w.in.Close()
	io.Copy(w.ledger.to("answers to "+w.name+" on stdio"), w.out)
	return w.process.Wait()
}

// kill ends the process as a crash would.
func (w *wire) kill() {
	w.process.Process.Kill()
	w.process.Wait()
}
