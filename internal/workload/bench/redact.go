package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"agentbridge/internal/redact"
	"agentbridge/internal/redact/corpus"
	"agentbridge/internal/workload"
)

// echoArg makes this program the floor of redaction: the same lines through the same pipes, sanitised and not scanned.
const echoArg = "serve-echo"

type line struct {
	ID    int      `json:"id"`
	Text  string   `json:"text"`
	Found []string `json:"found"`
}

func serveEcho() error {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		l := line{Found: []string{}}
		if err := in.Decode(&l); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		l.Text = redact.Sanitise(l.Text)
		if err := out.Encode(l); err != nil {
			return err
		}
	}
}

// redact measures texts through `agentbridge redact --jsonl`, in turns with the echo.
func (b *bench) redact(ctx context.Context) error {
	const size = 10 << 10
	self, err := os.Executable()
	if err != nil {
		return err
	}
	scanner, err := pipe(b.program.Command("redact", "--jsonl"))
	if err != nil {
		return err
	}
	defer scanner.close()
	echo, err := pipe(exec.Command(self, echoArg))
	if err != nil {
		return err
	}
	defer echo.close()
	var scan, floor workload.Sample
	texts := corpus.Texts(corpus.House(1), 1, 100, size)
	for i := range b.some(2000) {
		if err := ctx.Err(); err != nil {
			return err
		}
		text := texts[i%len(texts)]
		if err := scan.Time(func() error { return scanner.pass(i, text) }); err != nil {
			return fmt.Errorf("agentbridge redact: %w", err)
		}
		if err := floor.Time(func() error { return echo.pass(i, text) }); err != nil {
			return fmt.Errorf("echo: %w", err)
		}
	}
	p50 := scan.At(0.5)
	b.rows = append(b.rows, row{
		"10 KB redacted, a secret in it, p50", fmt.Sprintf("%s (p99 %s)", ms(p50), ms(scan.At(0.99))),
		fmt.Sprintf("sanitised and not scanned, same pipes: %s", ms(floor.At(0.5))), "≤ 2 ms", p50 <= 2*time.Millisecond,
	})
	return nil
}

// A pipeline is a process that answers each line with a line.
type pipeline struct {
	process *exec.Cmd
	in      io.WriteCloser
	lines   *json.Encoder
	out     *bufio.Reader
}

func pipe(cmd *exec.Cmd) (*pipeline, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &pipeline{cmd, in, json.NewEncoder(in), bufio.NewReaderSize(out, 64<<10)}, nil
}

func (p *pipeline) pass(id int, text string) error {
	if err := p.lines.Encode(line{ID: id, Text: text}); err != nil {
		return err
	}
	_, err := p.out.ReadBytes('\n')
	return err
}

func (p *pipeline) close() {
	p.in.Close()
	p.process.Wait() // it ends at the end of its input; how does not matter any more
}
