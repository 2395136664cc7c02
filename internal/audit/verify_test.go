package audit

import (
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const sampleLog = "conv_0123456789abcdef"

func logOf(n int) [][]byte {
	records := make([][]byte, n)
	for i := range records {
		records[i] = sample(int64(i)).Record()
	}
	return records
}

func stored(records [][]byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, record := range records {
			if !yield(record, nil) {
				return
			}
		}
	}
}

func TestVerify_AcceptsTheLogItsHeadWasMadeFrom(t *testing.T) {
	for n := range 70 {
		records := logOf(n)
		head := headOf(records)
		report, err := Verify(sampleLog, head, stored(records))
		if err != nil {
			t.Fatalf("%d entries: %v", n, err)
		}
		if report.Size != int64(n) || report.Root != head.Root() || report.Findings != nil || report.StepsBack != 0 {
			t.Fatalf("%d entries: %+v", n, report)
		}
		if n > 0 && (!report.First.Equal(sample(0).At) || !report.Last.Equal(sample(int64(n-1)).At)) {
			t.Fatalf("%d entries: from %v to %v", n, report.First, report.Last)
		}
	}
}

// Every way of changing a log is noticed, by somebody who knows the format and leaves every record well-formed.
func TestVerify_DetectsEveryChange(t *testing.T) {
	changes := map[string]func(*rapid.T, [][]byte) [][]byte{
		"flip a bit": func(t *rapid.T, log [][]byte) [][]byte {
			i := rapid.IntRange(0, len(log)-1).Draw(t, "entry")
			at := rapid.IntRange(0, len(log[i])-1).Draw(t, "byte")
			log[i][at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			return log
		},
		"edit": func(t *rapid.T, log [][]byte) [][]byte {
			i := rapid.IntRange(0, len(log)-1).Draw(t, "entry")
			e := sample(int64(i))
			switch rapid.IntRange(0, 3).Draw(t, "field") {
			case 0:
				e.Actor = "eve"
			case 1:
				e.At = e.At.Add(time.Microsecond)
			case 2:
				e.Facts["to"] = "eve"
			case 3:
				e.Facts = nil
			}
			log[i] = e.Record()
			return log
		},
		"delete": func(t *rapid.T, log [][]byte) [][]byte {
			i := rapid.IntRange(0, len(log)-1).Draw(t, "from")
			return slices.Delete(log, i, rapid.IntRange(i+1, len(log)).Draw(t, "to"))
		},
		"delete and number again": func(t *rapid.T, log [][]byte) [][]byte {
			log = slices.Delete(log, 0, 1)
			for i := range log {
				log[i] = sample(int64(i)).Record()
			}
			return log
		},
		"double": func(t *rapid.T, log [][]byte) [][]byte {
			i := rapid.IntRange(0, len(log)-1).Draw(t, "entry")
			return slices.Insert(log, i, log[i])
		},
		"insert": func(t *rapid.T, log [][]byte) [][]byte {
			i := rapid.IntRange(0, len(log)).Draw(t, "position")
			return slices.Insert(log, i, sample(int64(i)).Record())
		},
		"swap": func(t *rapid.T, log [][]byte) [][]byte {
			i := rapid.IntRange(0, len(log)-2).Draw(t, "entry")
			j := rapid.IntRange(i+1, len(log)-1).Draw(t, "other")
			log[i], log[j] = log[j], log[i]
			return log
		},
		"truncate": func(t *rapid.T, log [][]byte) [][]byte {
			return log[:rapid.IntRange(0, len(log)-1).Draw(t, "size")]
		},
		"extend": func(t *rapid.T, log [][]byte) [][]byte {
			for range rapid.IntRange(1, 9).Draw(t, "more") {
				log = append(log, sample(int64(len(log))).Record())
			}
			return log
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				log := logOf(rapid.IntRange(2, 70).Draw(t, "size"))
				head := headOf(log)
				report, err := Verify(sampleLog, head, stored(change(t, log)))
				if !errors.Is(err, ErrBroken) || len(report.Findings) == 0 {
					t.Fatalf("Verify = %+v, %v; want ErrBroken", report, err)
				}
			})
		})
	}
}

func TestVerify_SaysWhatIsWrong(t *testing.T) {
	tests := []struct {
		name   string
		change func([][]byte) [][]byte
		want   []string
	}{
		{"well-made edit", func(log [][]byte) [][]byte {
			e := sample(17)
			e.Actor = "eve"
			log[17] = e.Record()
			return log
		}, []string{"the entries do not hash to the head"}},
		{"damaged", func(log [][]byte) [][]byte {
			log[17] = []byte("gone")
			return log
		}, []string{"entry 17 cannot be read: parse record: not in canonical form at byte 0", "the entries do not hash to the head"}},
		{"one missing", func(log [][]byte) [][]byte {
			return slices.Delete(log, 17, 18)
		}, []string{"entry 18 stands where number 17 should be", "the log has 40 entries, its head says 41"}},
		{"end missing", func(log [][]byte) [][]byte {
			return log[:40]
		}, []string{"the log has 40 entries, its head says 41"}},
		{"one too many", func(log [][]byte) [][]byte {
			return append(log, sample(41).Record())
		}, []string{"the log has 42 entries, its head says 41"}},
		{"doubled", func(log [][]byte) [][]byte {
			return slices.Insert(log, 17, log[17])
		}, []string{"entry 17 stands where number 18 should be", "the log has 42 entries, its head says 41"}},
		{"of another log", func(log [][]byte) [][]byte {
			e := sample(17)
			e.Log = "conv_f"
			log[17] = e.Record()
			return log
		}, []string{`entry 17 belongs to another log, "conv_f"`, "the entries do not hash to the head"}},
		{"nothing left", func([][]byte) [][]byte { return nil }, []string{"the log has 0 entries, its head says 41"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			log := logOf(41)
			head := headOf(log)
			report, err := Verify(sampleLog, head, stored(test.change(log)))
			if !slices.Equal(report.Findings, test.want) {
				t.Errorf("findings %q, want %q", report.Findings, test.want)
			}
			if !errors.Is(err, ErrBroken) || !strings.HasSuffix(err.Error(), test.want[0]) {
				t.Errorf("error %v, want ErrBroken and the first finding", err)
			}
		})
	}
}

func TestVerify_RefusesRecordsThatWereNeverEntries(t *testing.T) {
	records := [][]byte{[]byte("not an entry")}
	if _, err := Verify(sampleLog, headOf(records), stored(records)); !errors.Is(err, ErrBroken) {
		t.Errorf("Verify = %v, want ErrBroken: a matching root does not make a record readable", err)
	}
}

func TestVerify_ListsAFewFindingsAndCountsTheRest(t *testing.T) {
	log := make([][]byte, 100)
	report, _ := Verify(sampleLog, Head{}, stored(log))
	if len(report.Findings) != maxFindings || report.Unlisted != 101-maxFindings {
		t.Errorf("%d findings and %d unlisted, want %d and %d", len(report.Findings), report.Unlisted, maxFindings, 101-maxFindings)
	}
}

func TestVerify_ReportsAClockSetBackAndGoesOn(t *testing.T) {
	log := logOf(10)
	for i := 4; i < 10; i++ {
		e := sample(int64(i))
		e.At = e.At.Add(-time.Hour)
		log[i] = e.Record()
	}
	report, err := Verify(sampleLog, headOf(log), stored(log))
	if err != nil || report.StepsBack != 1 {
		t.Errorf("Verify: %d steps back, %v; want 1 and no error", report.StepsBack, err)
	}
}

// A store that cannot be read proves nothing, for or against.
func TestVerify_TellsAReadErrorFromABrokenLog(t *testing.T) {
	log := logOf(10)
	disk := errors.New("disk on fire")
	report, err := Verify(sampleLog, headOf(log), func(yield func([]byte, error) bool) {
		for _, record := range log[:4] {
			if !yield(record, nil) {
				return
			}
		}
		yield(nil, disk)
	})
	if !errors.Is(err, disk) || errors.Is(err, ErrBroken) || report.Size != 4 {
		t.Errorf("Verify = %d entries, %v; want 4 and the read error alone", report.Size, err)
	}
}

// One million entries are to verify within 10 seconds, so 10 µs each.
func BenchmarkVerify(b *testing.B) {
	records := logOf(100_000)
	head := headOf(records)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Verify(sampleLog, head, stored(records)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(records)), "ns/entry")
}
