package cli

import (
	"database/sql"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"agentbridge/internal/audit"
)

// tamper FILE LOG HOW [fit] changes a log in the database as somebody would who can write it: edit, delete, insert, swap or truncate.
// What is written is well-formed and numbered anew; with fit the head is made to fit as well.
func tamper(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: tamper FILE LOG edit|delete|insert|swap|truncate [fit]")
	}
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	log := args[1]
	rows, err := db.Query("SELECT record FROM entries WHERE log = ? ORDER BY n", log)
	ts.Check(err)
	var list []audit.Entry
	for rows.Next() {
		var record []byte
		ts.Check(rows.Scan(&record))
		e, err := audit.ParseRecord(record)
		ts.Check(err)
		list = append(list, e)
	}
	ts.Check(errors.Join(rows.Err(), rows.Close()))
	if len(list) < 4 {
		ts.Fatalf("log %s has only %d entries", log, len(list))
	}
	switch args[2] {
	case "edit":
		list[1].Actor = "mallory"
	case "delete":
		list = slices.Delete(list, 1, 2)
	case "insert":
		list = slices.Insert(list, 2, list[1])
	case "swap":
		list[1], list[2] = list[2], list[1]
	case "truncate":
		list = list[:len(list)-1]
	default:
		ts.Fatalf("tamper does not know %q", args[2])
	}
	var head audit.Head
	_, err = db.Exec("DELETE FROM entries WHERE log = ?", log)
	ts.Check(err)
	for n, e := range list {
		e.N = int64(n)
		head = head.Append(e.Record())
		_, err := db.Exec("INSERT INTO entries (log, n, at, actor, action, record) VALUES (?, ?, ?, ?, ?, ?)", log, n, e.At.UnixMicro(), e.Actor, e.Action, e.Record())
		ts.Check(err)
	}
	if slices.Contains(args[3:], "fit") {
		raw, _ := head.MarshalBinary()
		where := "UPDATE conversations SET head = ? WHERE id = ?"
		if !strings.HasPrefix(log, "conv_") {
			where, log = "UPDATE meta SET value = ? WHERE key = ?", "head"
		}
		_, err := db.Exec(where, raw, log)
		ts.Check(err)
	}
	ts.Check(db.Close())
}

// query FILE SQL runs a statement on a database.
func query(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: query FILE SQL")
	}
	_, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = db.Exec(args[1])
	ts.Check(errors.Join(err, db.Close()))
}

// tamperFile FROM TO truncate|flip copies a file without its end, or with one bit in the middle turned over.
func tamperFile(ts *testscript.TestScript, neg bool, args []string) {
	text := []byte(ts.ReadFile(args[0]))
	if args[2] == "truncate" {
		text = text[:len(text)-100]
	} else {
		text[len(text)/2] ^= 1
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o600))
}
