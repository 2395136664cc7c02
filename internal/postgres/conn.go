package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// background is what every statement runs on: a caller's context would cut off the whole group, and its COMMIT.
var background = context.Background()

// conn is one connection with its statements, each prepared once. One goroutine uses it at a time.
//
// It speaks the protocol's extended form itself: a trip to the server carries any number of statements, which neither database/sql nor
// pgx's own calls let a transaction do step by step.
type conn struct {
	raw      *pgconn.PgConn
	stmts    map[string]*pgconn.StatementDescription // by their text
	names    int
	patience time.Duration // for one trip; what takes longer costs the connection
	warned   bool          // the server gave a warning since this was last reset
	held     []*call       // writes that wait for the next trip
	hints    func(*pgconn.Notification)

	made, used time.Time
	era        int // of the pool, when it was made
}

// dial opens a connection and sets what holds for all of them.
func (a *address) dial(ctx context.Context) (*conn, error) {
	c := &conn{stmts: map[string]*pgconn.StatementDescription{}, patience: a.patience, made: time.Now()}
	config := a.config.Copy()
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		c.warned = c.warned || n.SeverityUnlocalized == "WARNING"
	}
	config.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) {
		if c.hints != nil {
			c.hints(n)
		}
	}
	var err error
	if c.raw, err = pgconn.ConnectConfig(ctx, config); err != nil {
		return nil, err
	}
	if err := c.script(a.setup); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// call is a statement on its way to the server and back.
type call struct {
	op   string
	sql  string
	args [][]byte
	each func(*row) // for every row; it must not use the connection

	rows int64  // how many it changed or gave
	tag  string // what the server calls what it did
}

// hold keeps a write for the next trip.
func (c *conn) hold(k *call) { c.held = append(c.held, k) }

// release makes the calls that were held back and these, in one trip.
func (c *conn) release(calls ...*call) (failed *call, err error) {
	all := append(c.held, calls...)
	c.held = nil
	return c.trip(all...)
}

// trip makes calls in one trip, one after another, up to the first that fails. That one is given with its error; an error of no call is
// the connection's, which is lost then, and nobody knows how many calls the server made.
func (c *conn) trip(calls ...*call) (failed *call, err error) {
	_ = c.raw.Conn().SetDeadline(time.Now().Add(c.patience))
	p := c.raw.StartPipeline(background)
	preparing := map[string]string{}
	for _, k := range calls {
		if s := c.stmts[k.sql]; s != nil {
			p.SendQueryStatement(s, k.args, binary, binary)
			continue
		}
		name := preparing[k.sql]
		if name == "" {
			c.names++
			name = "s" + strconv.Itoa(c.names)
			preparing[k.sql] = name
			p.SendPrepare(name, k.sql, nil)
		}
		p.SendQueryPrepared(name, k.args, binary, binary)
	}
	if err := p.Sync(); err != nil {
		_ = p.Close()
		return nil, err
	}
	failed, err = c.receive(p, calls, preparing)
	if end := p.Close(); err == nil {
		err = end
	}
	return failed, err
}

// binary says that arguments and answers are in the protocol's binary form.
var binary = []int16{1}

// receive reads the answers to calls.
func (c *conn) receive(p *pgconn.Pipeline, calls []*call, preparing map[string]string) (failed *call, err error) {
	for _, k := range calls {
		if name := preparing[k.sql]; name != "" && c.stmts[k.sql] == nil {
			answer, err := p.GetResults()
			if err != nil {
				return blame(k, err), err
			}
			s, ok := answer.(*pgconn.StatementDescription)
			if !ok {
				return nil, fmt.Errorf("the server answered with %T", answer)
			}
			s.Name, s.SQL = name, k.sql
			c.stmts[k.sql] = s
		}
		answer, err := p.GetResults()
		if err != nil {
			return blame(k, err), err
		}
		rr, ok := answer.(*pgconn.ResultReader)
		if !ok {
			return nil, fmt.Errorf("the server answered with %T", answer)
		}
		for rr.NextRow() {
			if k.each != nil {
				k.each(&row{values: rr.Values()})
			}
		}
		tag, err := rr.Close()
		if err != nil {
			return blame(k, err), err
		}
		k.rows, k.tag = tag.RowsAffected(), tag.String()
	}
	return nil, nil
}

// blame gives the call if the error is the server's answer to it.
func blame(k *call, err error) *call {
	if _, ok := errors.AsType[*pgconn.PgError](err); ok {
		return k
	}
	return nil
}

// script runs statements that are not worth keeping prepared.
func (c *conn) script(sql string) error {
	_ = c.raw.Conn().SetDeadline(time.Now().Add(c.patience))
	_, err := c.raw.Exec(background, sql).ReadAll()
	return err
}

// number runs a kept statement that answers with one integer.
func (c *conn) number(sql string, args ...any) (n int64, err error) {
	_, err = c.trip(&call{sql: sql, args: encode(args), each: func(r *row) { n = r.int() }})
	return n, err
}

// idle reports whether the connection can serve another.
func (c *conn) idle() bool { return !c.raw.IsClosed() && !c.raw.IsBusy() && c.raw.TxStatus() == 'I' }

// close says goodbye, unless the connection is lost.
func (c *conn) close() error {
	ctx, cancel := context.WithTimeout(background, time.Second)
	defer cancel()
	_ = c.raw.Close(ctx) // it is given up as it is
	<-c.raw.CleanupDone()
	return nil
}
