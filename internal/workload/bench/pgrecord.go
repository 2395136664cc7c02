package main

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgproto3"
)

// recorder stands between a store and its PostgreSQL server and writes down the statements as they went over the wire.
type recorder struct {
	listener net.Listener
	server   string
	wg       sync.WaitGroup

	mu    sync.Mutex // guards all below
	conns map[net.Conn]bool
	lines int
	on    bool
	heard []statement
	aside map[int]bool // the connections that carry wake-ups
}

// statement is one execution of a prepared statement, with its arguments in the protocol's binary form.
type statement struct {
	line int // over which connection
	sql  string
	args [][]byte
	ends bool // it was the last of its trip to the server
}

// record begins to listen. Close must be called.
func record(server string) (*recorder, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &recorder{listener: listener, server: server, conns: map[net.Conn]bool{}, aside: map[int]bool{}}
	r.wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			r.wg.Go(func() { r.relay(client) })
		}
	})
	return r, nil
}

func (r *recorder) address() string { return r.listener.Addr().String() }

// take gives what was said while do ran, but for the connections that only carry wake-ups, which a hub sends for many sends at once.
func (r *recorder) take(do func() error) ([]statement, error) {
	set := func(on bool) []statement {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.on = on
		heard := r.heard
		r.heard = nil
		return heard
	}
	set(true)
	err := do()
	said := set(false)
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(said, func(s statement) bool { return r.aside[s.line] }), err
}

func (r *recorder) close() {
	r.listener.Close()
	r.mu.Lock()
	for c := range r.conns {
		c.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

func (r *recorder) relay(client net.Conn) {
	server, err := net.Dial("tcp", r.server)
	if err != nil {
		client.Close()
		return
	}
	r.mu.Lock()
	r.lines++
	line := r.lines
	r.conns[client], r.conns[server] = true, true
	r.mu.Unlock()
	r.wg.Go(func() {
		_, _ = io.Copy(client, server)
		client.Close()
	})
	_ = r.listen(line, io.TeeReader(client, server))
	server.Close()
	r.mu.Lock()
	delete(r.conns, client)
	delete(r.conns, server)
	r.mu.Unlock()
}

// listen reads what a client says until it hangs up.
func (r *recorder) listen(line int, from io.Reader) error {
	var head [5]byte
	if _, err := io.ReadFull(from, head[:4]); err != nil { // the first message has no type
		return err
	}
	if _, err := io.CopyN(io.Discard, from, int64(binary.BigEndian.Uint32(head[:4]))-4); err != nil {
		return err
	}
	texts := map[string]string{} // of prepared statements, by name
	var bound statement
	for {
		if _, err := io.ReadFull(from, head[:]); err != nil {
			return err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(from, body); err != nil {
			return err
		}
		switch head[0] {
		case 'P':
			var m pgproto3.Parse
			if err := m.Decode(body); err != nil {
				return err
			}
			texts[m.Name] = m.Query
		case 'B':
			var m pgproto3.Bind
			if err := m.Decode(body); err != nil {
				return err
			}
			bound = statement{line: line, sql: texts[m.PreparedStatement], args: slices.Clone(m.Parameters)}
		case 'E':
			r.mu.Lock()
			if strings.Contains(bound.sql, "pg_notify") {
				r.aside[line] = true
			}
			if r.on {
				r.heard = append(r.heard, bound)
			}
			r.mu.Unlock()
		case 'S':
			r.mu.Lock()
			for i := len(r.heard) - 1; i >= 0; i-- {
				if r.heard[i].line == line {
					r.heard[i].ends = true
					break
				}
			}
			r.mu.Unlock()
		}
	}
}
