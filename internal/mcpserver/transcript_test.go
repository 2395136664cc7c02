package mcpserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestTranscripts plays what is in testdata/*.transcript. A file holds, line by line:
//
//	# a remark
//	who> a line that this client sends; who is the agent's name
//	who: what the server says to it, up to the answer of what was sent
//	who>> the same, without waiting for the answer
//	who... wait for an answer
//	who closes
//	(35s) time passes
//
// With -update the lines of the server are written anew. What differs from run to run has names there: conv-1 is the first
// conversation id, and can be used by clients too.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.transcript")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".transcript"), func(t *testing.T) {
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			inBubble(t, func(t *testing.T) {
				p := &play{t: t, w: newWorld(t, Options{}), wires: map[string]*wire{}, heard: map[string]chan string{}}
				for line := range strings.Lines(string(script)) {
					p.line(strings.TrimSuffix(line, "\n"))
				}
				golden(t, filepath.Base(file), p.out.Bytes())
			})
		})
	}
}

// play is a transcript being played.
type play struct {
	t     *testing.T
	w     *world
	wires map[string]*wire
	heard map[string]chan string // what came over a wire: somebody always reads, as in a real client
	names aliases
	out   bytes.Buffer
}

var spoken = regexp.MustCompile(`^(\w+)(>>|>|:|\.\.\.| closes)(?: (.*))?$`)

func (p *play) line(line string) {
	p.t.Helper()
	m := spoken.FindStringSubmatch(line)
	if m != nil && m[2] == ":" {
		return // the server's part is played by the server
	}
	fmt.Fprintln(&p.out, line)
	if m == nil {
		if d, err := time.ParseDuration(strings.Trim(line, "()")); err == nil {
			time.Sleep(d)
		}
		return
	}
	who, what := m[1], m[3]
	x := p.wires[who]
	if x == nil {
		_, c := p.w.agent(p.t, who)
		x = p.w.stdio(p.t, c)
		heard := make(chan string, 1000)
		p.wires[who], p.heard[who] = x, heard
		go func() {
			defer close(heard)
			for {
				line, err := x.in.ReadString('\n')
				if err != nil {
					return
				}
				heard <- strings.TrimSuffix(line, "\n")
			}
		}()
	}
	switch m[2] {
	case " closes":
		x.close()
		delete(p.wires, who)
		return
	case ">", ">>":
		x.send(p.names.undo(what))
	}
	var sent struct{ ID, Result any }
	isJSON := json.Unmarshal([]byte(what), &sent) == nil
	if m[2] == ">>" || m[2] == ">" && isJSON && sent.ID == nil {
		synctest.Wait()
		return
	}
	for {
		got, ok := <-p.heard[who]
		if !ok {
			p.t.Fatalf("no answer to %s", line)
		}
		fmt.Fprintf(&p.out, "%s: %s\n", who, p.names.do(got))
		if parse(p.t, got).Method == "" {
			return
		}
	}
}

// aliases give names to what differs from run to run.
type aliases struct {
	real, alias map[string]string
	count       map[string]int
}

var differs = regexp.MustCompile(`(conv|msg|rcpt|task)_[0-9a-f]+|abi1_[A-Za-z0-9_-]+|mark [0-9a-f]{12}|\[[0-9a-f]{12}\]|audit_root\\*":\\*"[^"\\]*|\[REDACTED:\w+:[0-9a-f]{8}\]`)

func (a *aliases) do(s string) string {
	return differs.ReplaceAllStringFunc(s, func(real string) string {
		kind, _, _ := strings.Cut(real, "_")
		switch {
		case strings.HasPrefix(real, "mark "):
			return "mark MARK"
		case strings.HasPrefix(real, "[REDACTED"):
			return real[:len(real)-len("01234567]")] + "HASH]"
		case strings.HasPrefix(real, "["):
			return "[MARK]"
		case strings.HasPrefix(real, "audit_root"):
			return real[:strings.LastIndex(real, `"`)+1] + "ROOT"
		case kind == "abi1":
			kind = "code"
		}
		if alias, ok := a.alias[real]; ok {
			return alias
		}
		if a.alias == nil {
			a.real, a.alias, a.count = map[string]string{}, map[string]string{}, map[string]int{}
		}
		a.count[kind]++
		alias := fmt.Sprintf("%s-%d", kind, a.count[kind])
		a.real[alias], a.alias[real] = real, alias
		return alias
	})
}

var alias = regexp.MustCompile(`\b(?:conv|msg|rcpt|code|task)-\d+\b`)

func (a *aliases) undo(s string) string {
	return alias.ReplaceAllStringFunc(s, func(name string) string {
		if real, ok := a.real[name]; ok {
			return real
		}
		return name
	})
}
