package workload

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"agentbridge/internal/bridge"
)

func TestStressReport_JSONIsWhatIsPromised(t *testing.T) {
	rep := StressReport{
		Sent: 4, Delivered: 3, Lost: 1, Duplicated: 2, OutOfOrder: 5, Refused: 6, Reads: 7, Span: 2 * time.Second,
		Latencies: Sample{time.Millisecond, 3 * time.Millisecond}, Integrity: Intact, AuditEntries: 8, DatabaseBytes: 9,
	}
	text, err := json.Marshal(rep)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"sent":4,"delivered":3,"lost":1,"duplicated":2,"out_of_order":5,"refused":6,"reads":7,` +
		`"latency_ms":{"min":1,"mean":2,"stddev":1,"p50":3,"p99":3,"max":3},"throughput":2,"integrity":"ok","audit_entries":8,"database_bytes":9}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Error(diff)
	}
	rep.Integrity = Unchecked // it is a hub's, and nobody here knows
	text, _ = json.Marshal(rep)
	if !strings.Contains(string(text), `"audit_entries":null,"database_bytes":null`) {
		t.Errorf("of a hub's log: %s", text)
	}
}

func TestHistogram_IsWellFormedWhateverWasMeasured(t *testing.T) {
	for name, s := range map[string]Sample{
		"nothing": nil, "one": {time.Millisecond}, "zero": {0, 0}, "wide": {1, time.Microsecond, time.Second, time.Hour},
		"many": func() (s Sample) {
			for i := range 1000 {
				s = append(s, time.Duration(i*i)*time.Microsecond)
			}
			return s
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			picture := s.Histogram(`of <"these"> & those`)
			bars := 0
			d := xml.NewDecoder(strings.NewReader(picture))
			for {
				token, err := d.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%v:\n%s", err, picture)
				}
				if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
					bars++
				}
			}
			if len(s) > 0 && bars < 2 || strings.Contains(picture, "NaN") || strings.Contains(picture, "Inf") {
				t.Errorf("%d bars:\n%s", bars, picture)
			}
			if !strings.Contains(picture, "prefers-color-scheme: dark") {
				t.Error("it knows no dark ground")
			}
		})
	}
}

func TestStressText_IsReadAsItWasSent(t *testing.T) {
	seen := map[string]bool{}
	for _, size := range []int{leastSize, 25, 60, 200, 4000} {
		for n := range 300 {
			text := stressText(n, size)
			if got, intact := readStressText(text); got != n || !intact || len(text) != max(size, len(text)) || seen[text] {
				t.Fatalf("message %d of %d is read as %d, %t: %q", n, size, got, intact, text)
			}
			seen[text] = true
			if _, intact := readStressText(text[:len(text)-1]); intact {
				t.Fatalf("a text that was cut passes: %q", text)
			}
		}
	}
}

func TestStressPlan_RefusesWhatCannotBe(t *testing.T) {
	for name, plan := range map[string]StressPlan{
		"alone":          {Agents: 1},
		"a full room":    {Agents: 100, Conversations: 1},
		"no way":         {Mix: []Share{{Down, 0}}},
		"too long":       {Sizes: []Share{{mostSize + 1, 1}}},
		"too short":      {Sizes: []Share{{leastSize - 1, 1}}},
		"by pigeon":      {Transport: "pigeon"},
		"back in time":   {Duration: -1},
		"hardly a load":  {Rate: 1e-9},
		"more than fits": {Agents: 1 << 30, Conversations: 1 << 25, Transport: HTTP},
	} {
		if limit, known := fileLimit(); name == "more than fits" && (!known || limit > 1<<31) {
			continue // this system lets a process open any number
		}
		_, err := plan.complete()
		refusal, ok := errors.AsType[*bridge.Error](err)
		if !ok || refusal.Hint == "" {
			t.Errorf("%s: %v, want a refusal with a way out", name, err)
		}
	}
	for _, name := range []string{"seed", "100", "1000"} {
		plan, err := Preset(name)
		if err == nil {
			_, err = plan.complete()
		}
		if err != nil {
			t.Errorf("preset %s: %v", name, err)
		}
	}
}

// A message is due at its time, however many came before it: that is what its latency counts from.
func TestStressPlan_DueTimesFollowTheRate(t *testing.T) {
	for _, plan := range []StressPlan{{Rate: 10}, {Rate: 10, Round: 18}, {Rate: 500, Round: 18}, {Rate: 0.1, Round: 3}} {
		const n = 1800
		last := time.Duration(-1)
		for i := range n {
			due := plan.due(i)
			if due <= last {
				t.Fatalf("%+v: message %d is due at %s, the one before at %s", plan, i, due, last)
			}
			last = due
		}
		if all := plan.due(n); all != time.Duration(n/plan.Rate*float64(time.Second)) {
			t.Errorf("%+v: %d messages take %s", plan, n, all)
		}
	}
}
