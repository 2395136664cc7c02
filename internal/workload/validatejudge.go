package workload

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Observation is one thing that was measured or seen: milliseconds, a number, or 1 for yes and 0 for no. It has at most three decimals.
type Observation struct {
	Row, Series string
	Value       float64
}

// What became of a row.
const (
	Passed  = "passed"
	Failed  = "failed"
	LeftOut = "left out" // [RowRun.Why] says why; it judges nothing
)

// ValidateRun is what a report is made from, beside the observations.
type ValidateRun struct {
	Protocol    string    `json:"protocol"`
	Deployment  string    `json:"deployment"`  // what was validated, in words
	Compression float64   `json:"compression"` // by which timers, and the targets that are of them, are divided
	Began       time.Time `json:"began"`
	Ended       time.Time `json:"ended"`
	Rows        []RowRun  `json:"rows"` // all of the protocol's
}

// RowRun says whether a row was carried out.
type RowRun struct {
	ID    string `json:"id"`
	Why   string `json:"why,omitempty"`   // it was left out
	Fault string `json:"fault,omitempty"` // what ended it before its end: then it failed
}

// ValidateReport is what came of a run.
type ValidateReport struct {
	Passed      bool        `json:"passed"`   // no row that was carried out failed, and one was
	Complete    bool        `json:"complete"` // none was left out
	Protocol    string      `json:"protocol"`
	Deployment  string      `json:"deployment"`
	Compression float64     `json:"compression"`
	Began       time.Time   `json:"began"`
	Ended       time.Time   `json:"ended"`
	Rows        []RowResult `json:"rows"`
}

// RowResult is one row of a report.
type RowResult struct {
	ID       string          `json:"id"`
	Title    string          `json:"title"`
	State    string          `json:"state"`
	Why      string          `json:"why,omitempty"` // why it was left out, or failed beside its measures
	Measures []MeasureResult `json:"measures,omitempty"`
}

// MeasureResult is one figure of a report. Target is the one in force, compressed where that is so.
type MeasureResult struct {
	Measure
	Value        float64 `json:"value"`
	Observations int     `json:"observations"`
	Passed       bool    `json:"passed"`
}

// Judge makes the report. It is a function of what it is given and nothing else, so that whoever has a run and its observations can make it again.
func Judge(run ValidateRun, seen []Observation) (ValidateReport, error) {
	rep := ValidateReport{Passed: true, Complete: true, Protocol: run.Protocol, Deployment: run.Deployment, Compression: run.Compression, Began: run.Began, Ended: run.Ended}
	if run.Protocol != ProtocolName {
		return rep, fmt.Errorf("this program knows the protocol %s, and not %q", ProtocolName, run.Protocol)
	}
	if !(run.Compression >= 1) {
		return rep, fmt.Errorf("a compression of %g is none", run.Compression)
	}
	rows := Protocol()
	if len(run.Rows) != len(rows) {
		return rep, fmt.Errorf("the run has %d rows, and the protocol %d", len(run.Rows), len(rows))
	}
	values := map[[2]string][]float64{}
	for _, o := range seen {
		values[[2]string{o.Row, o.Series}] = append(values[[2]string{o.Row, o.Series}], o.Value)
	}
	carried := 0
	for i, row := range rows {
		was := run.Rows[i]
		if was.ID != row.ID {
			return rep, fmt.Errorf("row %d of the run is %q, and of the protocol %q", i+1, was.ID, row.ID)
		}
		res := RowResult{ID: row.ID, Title: row.Title, State: Passed, Why: was.Fault}
		if was.Why != "" {
			res.State, res.Why = LeftOut, was.Why
			rep.Complete = false
			rep.Rows = append(rep.Rows, res)
			continue
		}
		carried++
		if was.Fault != "" {
			res.State = Failed
		}
		for _, m := range row.Measures {
			got := m.judge(values[[2]string{row.ID, m.Series}], run.Compression)
			if !got.Passed {
				res.State = Failed
			}
			res.Measures = append(res.Measures, got)
		}
		rep.Passed = rep.Passed && res.State == Passed
		rep.Rows = append(rep.Rows, res)
	}
	rep.Passed = rep.Passed && carried > 0
	return rep, nil
}

// judge folds the observations and compares.
func (m Measure) judge(values []float64, compression float64) MeasureResult {
	if m.Timed {
		m.Target = thousandth(m.Target / compression)
	}
	r := MeasureResult{Measure: m, Value: thousandth(m.Fold.of(values)), Observations: len(values)}
	switch m.Op {
	case "<":
		r.Passed = r.Value < m.Target
	case "<=":
		r.Passed = r.Value <= m.Target
	case "=":
		r.Passed = r.Value == m.Target
	case ">=":
		r.Passed = r.Value >= m.Target
	default:
		r.Passed = true
	}
	r.Passed = r.Passed && len(values) >= m.Least
	return r
}

func thousandth(v float64) float64 { return math.Round(v*1000) / 1000 }

func (f Fold) of(values []float64) (v float64) {
	if len(values) == 0 {
		return 0
	}
	sum := 0.0
	for _, x := range values {
		sum += x
	}
	switch f {
	case Sum:
		return sum
	case Count:
		return float64(len(values))
	case Mean:
		return sum / float64(len(values))
	case Half:
		sorted := slices.Sorted(slices.Values(values))
		return sorted[min(len(sorted)-1, len(sorted)/2)]
	case Most:
		return slices.Max(values)
	case Percent:
		ones := 0
		for _, x := range values {
			if x == 1 {
				ones++
			}
		}
		return 100 * float64(ones) / float64(len(values))
	}
	return math.NaN() // no fold of ours
}

// JSON is the report as it is kept: the same report gives the same bytes.
func (r ValidateReport) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	return append(text, '\n'), err
}

// samplesHead is the first line of a file of observations.
const samplesHead = "row,series,value"

// WriteObservations writes observations a line each, as CSV.
func WriteObservations(seen []Observation) []byte {
	var b bytes.Buffer
	b.WriteString(samplesHead + "\n")
	for _, o := range seen {
		fmt.Fprintf(&b, "%s,%s,%s\n", o.Row, o.Series, strconv.FormatFloat(o.Value, 'f', -1, 64))
	}
	return b.Bytes()
}

// ReadObservations reads what [WriteObservations] wrote, and refuses what it would not have written.
func ReadObservations(r io.Reader) (seen []Observation, err error) {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		if n == 1 {
			if lines.Text() != samplesHead {
				return nil, fmt.Errorf("line 1 is not %q", samplesHead)
			}
			continue
		}
		parts := strings.Split(lines.Text(), ",")
		if len(parts) != 3 {
			return nil, fmt.Errorf("line %d has %d parts", n, len(parts))
		}
		v, err := strconv.ParseFloat(parts[2], 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || strconv.FormatFloat(v, 'f', -1, 64) != parts[2] {
			return nil, fmt.Errorf("line %d: %q is no number as it is written here", n, parts[2])
		}
		seen = append(seen, Observation{parts[0], parts[1], v})
	}
	return seen, lines.Err()
}
