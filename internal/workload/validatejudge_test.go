package workload_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/workload"
)

// kept is a run in which every measure just holds, and its observations.
func kept() (run workload.ValidateRun, seen []workload.Observation) {
	run = workload.ValidateRun{Protocol: workload.ProtocolName, Deployment: "made up", Compression: 15, Began: time.Unix(0, 0).UTC(), Ended: time.Unix(60, 0).UTC()}
	for _, row := range workload.Protocol() {
		run.Rows = append(run.Rows, workload.RowRun{ID: row.ID})
		least := map[string]int{}
		for _, m := range row.Measures {
			least[m.Series] = max(least[m.Series], m.Least, 1)
		}
		done := map[string]bool{}
		for _, m := range row.Measures {
			if done[m.Series] {
				continue
			}
			done[m.Series] = true
			n := least[m.Series]
			for i := range n {
				value := 0.0
				switch {
				case m.Fold == workload.Percent:
					value = 1
				case m.Fold == workload.Sum && m.Target > 0 && i == 0:
					value = m.Target
				case m.Fold != workload.Sum:
					value = 1
				}
				seen = append(seen, workload.Observation{Row: row.ID, Series: m.Series, Value: value})
			}
		}
	}
	return run, seen
}

func judge(t *testing.T, run workload.ValidateRun, seen []workload.Observation) workload.ValidateReport {
	t.Helper()
	rep, err := workload.Judge(run, seen)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestJudge_PassesOnlyIfEveryMeasureHolds(t *testing.T) {
	run, seen := kept()
	if rep := judge(t, run, seen); !rep.Passed || !rep.Complete {
		t.Fatalf("a run that keeps everything: %s\n%s", rep.Verdict(), rep.Markdown())
	}
	for _, row := range workload.Protocol() {
		for _, m := range row.Measures {
			if m.Op == "" {
				continue
			}
			var broken, missing []workload.Observation
			for _, o := range seen {
				if o.Row == row.ID && o.Series == m.Series {
					switch { // far from any target, whatever the fold
					case m.Fold == workload.Percent:
						o.Value = 0
					case m.Op == ">=" && m.Fold == workload.Count:
						continue
					case m.Op == ">=":
						o.Value = 0
					default:
						o.Value += 1e9
					}
					broken = append(broken, o)
					continue
				}
				broken, missing = append(broken, o), append(missing, o)
			}
			if rep := judge(t, run, broken); rep.Passed {
				t.Errorf("row %s passes with a broken %s (%s)", row.ID, m.Series, m.Says)
			}
			if rep := judge(t, run, missing); m.Least > 0 && rep.Passed {
				t.Errorf("row %s passes without an observation of %s", row.ID, m.Series)
			}
		}
	}
}

func TestJudge_AFaultFailsARowAndOneLeftOutJudgesNothing(t *testing.T) {
	run, seen := kept()
	run.Rows[3].Fault = "it ended"
	if rep := judge(t, run, seen); rep.Passed || rep.Rows[3].State != workload.Failed {
		t.Errorf("a row with a fault: %+v", rep.Rows[3])
	}
	run, seen = kept()
	run.Rows[3].Why = "not here"
	if rep := judge(t, run, nil); rep.Passed {
		t.Error("it passes with no observation at all")
	}
	if rep := judge(t, run, seen); !rep.Passed || rep.Complete || rep.Rows[3].State != workload.LeftOut {
		t.Errorf("a row left out: passed %t, complete %t, %+v", rep.Passed, rep.Complete, rep.Rows[3])
	}
	for i := range run.Rows {
		run.Rows[i].Why = "not here"
	}
	if rep := judge(t, run, seen); rep.Passed {
		t.Error("it passes where all rows are left out")
	}
}

func TestJudge_RefusesARunOfAnotherProtocol(t *testing.T) {
	for name, spoil := range map[string]func(*workload.ValidateRun){
		"name": func(r *workload.ValidateRun) { r.Protocol += "x" }, "a row less": func(r *workload.ValidateRun) { r.Rows = r.Rows[1:] },
		"order": func(r *workload.ValidateRun) { r.Rows[0], r.Rows[1] = r.Rows[1], r.Rows[0] }, "compression": func(r *workload.ValidateRun) { r.Compression = .01 },
	} {
		run, seen := kept()
		spoil(&run)
		if _, err := workload.Judge(run, seen); err == nil {
			t.Errorf("%s: it is judged", name)
		}
	}
}

func TestObservations_AreReadAsTheyWereWrittenAndNotOtherwise(t *testing.T) {
	_, seen := kept()
	seen = append(seen, workload.Observation{Row: "send", Series: "send_ms", Value: 1.5})
	text := workload.WriteObservations(seen)
	again, err := workload.ReadObservations(bytes.NewReader(text))
	if err != nil || string(workload.WriteObservations(again)) != string(text) {
		t.Fatalf("%d of %d observations: %v", len(again), len(seen), err)
	}
	for _, bad := range []string{"what,ms\n", "row,series,value\na,b\n", "row,series,value\na,b,1.50\n", "row,series,value\na,b,NaN\n", "row,series,value\na,b,1e3\n", "row,series,value\na,b,c,1\n"} {
		if _, err := workload.ReadObservations(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

// doc/protocol.md ends with the protocol as the program has it.
func TestProtocol_IsPublishedAsItIs(t *testing.T) {
	text, err := os.ReadFile("../../doc/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rows, ok := strings.Cut(string(text), "<!-- rows -->\n")
	if want := workload.ProtocolTable(); !ok || strings.TrimSpace(rows) != strings.TrimSpace(want) {
		if os.Getenv("UPDATE") == "" {
			t.Fatal("doc/protocol.md tells another protocol; UPDATE=1 go test -run Protocol ./internal/workload writes it")
		}
		if err := os.WriteFile("../../doc/protocol.md", []byte(head+"<!-- rows -->\n"+want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
