package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// script is what pgbench runs: statements as a hub said them, with each client's own values, moved on from one round to the next.
type script struct {
	text    string     // of one statement a trip
	piped   string     // of the trips as the hub made them
	columns int        // of values
	values  [][]string // of each client
}

// kind is a type of an argument.
type kind int

const (
	integer kind = iota
	words
	blob
)

// rounds is how many rounds of the same calls a script is made of: to see what moves on from one to the next.
const rounds = 3

// compose makes a script of what the calls of each client said, in three rounds. The kinds are those of each statement's arguments.
func compose(clients [][rounds][]statement, kinds map[string][]kind) (s script, err error) {
	for n, heard := range clients {
		c := composer{kinds: kinds, heard: heard, names: map[string]string{}}
		text, err := c.compose(false)
		if err != nil {
			return s, fmt.Errorf("client %d: %w", n, err)
		}
		if n == 0 {
			s.text, s.columns = text, len(c.values)
			if s.piped, err = c.compose(true); err != nil {
				return s, err
			}
		} else if text != s.text {
			return s, fmt.Errorf("client %d says other statements than the first", n)
		}
		s.values = append(s.values, c.values)
	}
	return s, nil
}

// composer makes the script of one client.
type composer struct {
	kinds  map[string][]kind
	heard  [rounds][]statement
	names  map[string]string // the variable for each row of three values
	values []string          // what the variables begin with
	sets   []string
	fresh  [][rounds][]byte // the texts that are new in every round
}

// position finds a statement's argument.
var position = regexp.MustCompile(`\$[0-9]+`)

func (c *composer) compose(piped bool) (string, error) {
	for _, round := range c.heard {
		if len(round) == 0 || len(round) != len(c.heard[0]) {
			return "", fmt.Errorf("its rounds have %d, %d and %d statements", len(c.heard[0]), len(c.heard[1]), len(c.heard[2]))
		}
	}
	var lines []string
	open := false
	for i, s := range c.heard[rounds-1] {
		var fault error
		text := position.ReplaceAllStringFunc(strings.Join(strings.Fields(s.sql), " "), func(at string) string {
			n, _ := strconv.Atoi(at[1:])
			name, err := c.variable(i, n-1)
			if err != nil {
				fault = err
			}
			return name
		})
		if fault != nil {
			return "", fault
		}
		for _, round := range c.heard {
			if round[i].sql != s.sql {
				return "", fmt.Errorf("its rounds differ in statement %d: %s", i, round[i].sql)
			}
		}
		if piped && !open {
			lines, open = append(lines, `\startpipeline`), true
		}
		lines = append(lines, text+";")
		if piped && s.ends {
			lines, open = append(lines, `\endpipeline`), false
		}
	}
	if open {
		lines = append(lines, `\endpipeline`)
	}
	columns := make([]string, len(c.values))
	for i := range columns {
		columns[i] = fmt.Sprintf("p%d", i)
	}
	begin := []string{`\if :first`, "SELECT " + strings.Join(columns, ", ") + " FROM bench_values WHERE client = :client_id", `\gset`, `\set first 0`, `\endif`, `\set n :n + 1`}
	return strings.Join(slices.Concat(begin, c.sets, lines), "\n") + "\n", nil
}

// variable gives the pgbench variable that stands for argument j of statement i, and makes it where it is new.
func (c *composer) variable(i, j int) (string, error) {
	k := c.kinds[c.heard[0][i].sql][j]
	var v [rounds][]byte
	for r := range v {
		v[r] = c.heard[r][i].args[j]
	}
	if v[0] == nil || v[1] == nil || v[2] == nil {
		return "NULL", nil
	}
	key := fmt.Sprintf("%d %x", k, v)
	if k == blob {
		key = fmt.Sprintf("%d %x", k, v[2]) // what a log holds differs, but not in its length
	}
	if name := c.names[key]; name != "" {
		return name, nil
	}
	still := string(v[0]) == string(v[2]) && string(v[0]) == string(v[1])
	n := len(c.values)
	name := fmt.Sprintf(":p%d", n)
	switch {
	case k == blob:
		c.values = append(c.values, `\x`+hex.EncodeToString(v[2]))
	case still && k == integer:
		c.values = append(c.values, strconv.FormatInt(int64(binary.BigEndian.Uint64(v[2])), 10))
	case still:
		c.values = append(c.values, string(v[2]))
	case k == integer:
		a, b, d := int64(binary.BigEndian.Uint64(v[0])), int64(binary.BigEndian.Uint64(v[1])), int64(binary.BigEndian.Uint64(v[2]))
		step := d - b
		if b-a != step {
			step = 1000 // a time
		}
		c.values = append(c.values, strconv.FormatInt(d, 10))
		c.sets = append(c.sets, fmt.Sprintf(`\set x%d :p%d + %d * :n`, n, n, step))
		name = fmt.Sprintf(":x%d", n)
	default:
		of, lag := c.origin(v)
		c.sets = append(c.sets, fmt.Sprintf(`\set x%d %d + :n`, n, int64(1+of)*1_000_000_000_000_000-lag))
		c.values = append(c.values, "")
		name = fmt.Sprintf(":x%d", n)
	}
	c.names[key] = name
	return name, nil
}

// origin says which of a round's new texts an id is, and of how many rounds before.
func (c *composer) origin(v [rounds][]byte) (of int, lag int64) {
	if c.fresh == nil {
		c.fresh = c.ids()
	}
	for of, f := range c.fresh {
		if string(f[1]) == string(v[2]) && string(f[0]) == string(v[1]) {
			return of, 1
		}
	}
	return slices.IndexFunc(c.fresh, func(f [rounds][]byte) bool { return string(f[2]) == string(v[2]) }), 0
}

// ids are the texts that differ in each round.
func (c *composer) ids() (list [][rounds][]byte) {
	for i, s := range c.heard[0] {
		for j, k := range c.kinds[s.sql] {
			var v [rounds][]byte
			for r := range v {
				v[r] = c.heard[r][i].args[j]
			}
			if k == words && string(v[0]) != string(v[2]) && !slices.ContainsFunc(list, func(f [rounds][]byte) bool { return string(f[2]) == string(v[2]) }) {
				list = append(list, v)
			}
		}
	}
	return list
}
