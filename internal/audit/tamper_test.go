package audit

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// forgery is a way to rewrite a log, by somebody who knows its format and makes every record fit its place.
type forgery struct {
	name  string
	known func(*rapid.T, int) int // how many of n entries somebody else knows
	forge func(*rapid.T, []Entry, int) []Entry
}

// before gives a position among the entries that are known: what comes after them nobody else can vouch for.
func before(t *rapid.T, known int) int { return rapid.IntRange(0, known-1).Draw(t, "at") }

func some(t *rapid.T, n int) int { return rapid.IntRange(1, n).Draw(t, "known") }
func all(_ *rapid.T, n int) int  { return n }

var forgeries = []forgery{
	{"edit", some, func(t *rapid.T, log []Entry, known int) []Entry {
		at := before(t, known)
		switch rapid.IntRange(0, 3).Draw(t, "field") {
		case 0:
			log[at].Actor = "eve"
		case 1:
			log[at].At = log[at].At.Add(time.Microsecond)
		case 2:
			log[at].Facts = map[string]string{"to": "eve"}
		case 3:
			log[at].Subject = ""
		}
		return log
	}},
	{"delete", some, func(t *rapid.T, log []Entry, known int) []Entry {
		at := before(t, known)
		return slices.Delete(log, at, rapid.IntRange(at+1, len(log)).Draw(t, "to"))
	}},
	{"insert", some, func(t *rapid.T, log []Entry, known int) []Entry {
		return slices.Insert(log, before(t, known), Entry{Log: sampleLog, At: sample(0).At, Actor: "eve", Action: "send"})
	}},
	{"swap", some, func(t *rapid.T, log []Entry, known int) []Entry {
		at := before(t, known)
		other := rapid.IntRange(0, len(log)-1).Filter(func(i int) bool { return i != at }).Draw(t, "other")
		log[at], log[other] = log[other], log[at]
		return log
	}},
	{"truncate", all, func(t *rapid.T, log []Entry, known int) []Entry { return log[:before(t, known)] }},
	{"roll back", some, func(t *rapid.T, log []Entry, known int) []Entry { return log[:before(t, known)] }},
	{"fork", some, func(t *rapid.T, log []Entry, known int) []Entry {
		log = log[:before(t, known)]
		for range rapid.IntRange(1, 90).Draw(t, "more") {
			log = append(log, Entry{Log: sampleLog, At: sample(int64(len(log))).At, Actor: "eve", Action: "send"})
		}
		return log
	}},
}

// records numbers entries anew and encodes them.
func recordsOf(log []Entry) [][]byte {
	records := make([][]byte, len(log))
	for i, e := range log {
		e.N = int64(i)
		records[i] = e.Record()
	}
	return records
}

// A forger has the store, and the signing key, too: the records are rewritten and numbered anew, and head, checkpoint and tiles are
// made of them. Only what somebody else kept is out of reach, and that shows it, every time, in each of three ways.
func TestForgery_IsFoundByWhatWasKeptElsewhere(t *testing.T) {
	key := newKey(t)
	for _, f := range forgeries {
		t.Run(f.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				log := make([]Entry, rapid.IntRange(2, 600).Draw(t, "size"))
				for i := range log {
					log[i] = sample(int64(i))
				}
				known := f.known(t, len(log))
				kept := headOf(recordsOf(log[:known]))
				mark := Mark{kept.Size, kept.Root(), "the anchor"}
				forged := recordsOf(f.forge(t, slices.Clone(log), known))
				head := headOf(forged)
				files := exported(t, key, sampleLog, forged)

				// By itself the forgery is a good log. That is why something has to be kept elsewhere.
				if report, err := Verify(sampleLog, head, stored(forged)); err != nil {
					t.Fatalf("the forger made a mistake: %+v, %v", report, err)
				}
				if report, err := VerifyTiles(files, []*Verifier{key.Verifier()}); err != nil {
					t.Fatalf("the forger made a mistake with tiles: %+v, %v", report, err)
				}

				report, err := Verify(sampleLog, head, stored(forged), mark)
				if !errors.Is(err, ErrBroken) || !strings.Contains(report.Findings[0], "the anchor") {
					t.Fatalf("Verify with a mark at %d of %d = %q, %v", known, len(log), report.Findings, err)
				}
				if report, err := VerifyTiles(files, []*Verifier{key.Verifier()}, mark); !errors.Is(err, ErrBroken) {
					t.Fatalf("VerifyTiles with a mark at %d of %d = %q, %v", known, len(log), report.Findings, err)
				}
				if err := kept.Follow(head, stored(forged[min(known, len(forged)):])); !errors.Is(err, ErrBroken) {
					t.Fatalf("Follow from %d of %d = %v", known, len(log), err)
				}
				// Nor can it be proved that the one continues the other.
				if head.Size < kept.Size {
					return
				}
				proof, root, err := ProveConsistency(kept.Size, head.Size, stored(forged))
				if err != nil {
					t.Fatal(err)
				}
				if tlog.CheckTree(proof, head.Size, root, kept.Size, kept.Root()) == nil {
					t.Fatal("the forgery is proved to be consistent")
				}
			})
		})
	}
}

// Somebody without the key who has the exported files can change all of them but the checkpoint.
func TestForgery_OfTilesIsFoundByTheCheckpoint(t *testing.T) {
	key := newKey(t)
	for _, f := range forgeries {
		t.Run(f.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				log := make([]Entry, rapid.IntRange(2, 600).Draw(t, "size"))
				for i := range log {
					log[i] = sample(int64(i))
				}
				files := exported(t, key, sampleLog, recordsOf(f.forge(t, slices.Clone(log), len(log))))
				files[tileCheckpoint] = &fstest.MapFile{Data: exported(t, key, sampleLog, recordsOf(log))[tileCheckpoint].Data}
				if report, err := VerifyTiles(files, []*Verifier{key.Verifier()}); !errors.Is(err, ErrBroken) {
					t.Fatalf("VerifyTiles = %q, %v", report.Findings, err)
				}
			})
		})
	}
}

func TestFollow_GoesAlongWithALogThatOnlyGrew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := logOf(rapid.IntRange(0, 300).Draw(t, "size"))
		to := rapid.IntRange(0, len(records)).Draw(t, "to")
		from := rapid.IntRange(0, to).Draw(t, "from")
		h := headOf(records[:from])
		if err := h.Follow(headOf(records[:to]), stored(records[from:])); err != nil {
			t.Fatalf("from %d to %d: %v", from, to, err)
		}
		if want := headOf(records[:from]); h.Root() != want.Root() || h.Size != want.Size {
			t.Fatal("Follow changed the head it was called on")
		}
	})
}

func TestFollow_SaysWhatHappened(t *testing.T) {
	log, fault := logOf(9), errors.New("disk on fire")
	edited := sample(2)
	edited.Actor = "eve"
	other := slices.Clone(log)
	other[2] = edited.Record()
	for _, test := range []struct {
		name      string
		from, now Head
		records   [][]byte
		want      string
	}{
		{"rolled back", headOf(log), headOf(log[:5]), nil, "follow the log: the log does not verify: it was truncated or rolled back: it had 9 entries, and has 5"},
		{"forked", headOf(log[:5]), headOf(other), other[5:], "follow the log: the log does not verify: it was forked: the 9 entries it has do not continue the 5 it had"},
		{"forked at the same size", headOf(log), headOf(other), nil, "follow the log: the log does not verify: it was forked: there is another log of the same 9 entries"},
		{"entries missing", headOf(log[:5]), headOf(log), log[5:7], "follow the log: the log does not verify: its head says 9 entries, and those from 7 on are missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.from.Follow(test.now, stored(test.records)); !errors.Is(err, ErrBroken) || err.Error() != test.want {
				t.Errorf("Follow = %v, want %s", err, test.want)
			}
		})
	}
	err := headOf(log[:5]).Follow(headOf(log), func(yield func([]byte, error) bool) { yield(nil, fault) })
	if !errors.Is(err, fault) || errors.Is(err, ErrBroken) {
		t.Errorf("Follow = %v, want the read error alone", err)
	}
}

func TestVerify_TakesThousandsOfMarksInAnyOrder(t *testing.T) {
	records := logOf(5000)
	var marks []Mark
	var h Head
	for n := range records {
		marks = append(marks, Mark{h.Size, h.Root(), "somebody"}, Mark{h.Size, h.Root(), "somebody else"})
		h = h.Append(records[n])
	}
	marks = append(marks, Mark{h.Size, h.Root(), "the last"})
	slices.Reverse(marks[100:9000])
	given := slices.Clone(marks)
	if report, err := Verify(sampleLog, h, stored(records), marks...); err != nil {
		t.Fatalf("%q, %v", report.Findings, err)
	}
	if !slices.Equal(given, marks) {
		t.Error("Verify changed the marks it was given")
	}
	e := sample(3000)
	e.Actor = "eve"
	records[3000] = e.Record()
	report, err := Verify(sampleLog, headOf(records), stored(records), marks...)
	if !errors.Is(err, ErrBroken) || report.Unlisted != 2*1999+1-maxFindings {
		t.Errorf("%d findings, %d unlisted, %v", len(report.Findings), report.Unlisted, err)
	}
	if want := "history before entry 3001 was changed after somebody"; !strings.HasPrefix(report.Findings[0], want) {
		t.Errorf("first finding %q, want %q", report.Findings[0], want)
	}
}

func TestVerify_SaysWhatAMarkProves(t *testing.T) {
	log := logOf(41)
	at := func(n int, from string) Mark { return Mark{int64(n), headOf(log[:n]).Root(), from} }
	e := sample(17)
	e.Actor = "eve"
	forged := slices.Clone(log)
	forged[17] = e.Record()
	for _, test := range []struct {
		name    string
		records [][]byte
		marks   []Mark
		want    []string
	}{
		{"all fit", log, []Mark{at(41, "a"), at(0, "b"), at(20, "c")}, nil},
		{"rewritten", forged, []Mark{at(20, "note 2"), at(10, "note 1"), at(30, "note 3")}, []string{
			"history before entry 20 was changed after note 2; the first 10 entries are as note 1 says",
			"history before entry 30 was changed after note 3; the first 10 entries are as note 1 says",
		}},
		{"rewritten before any other", forged, []Mark{at(20, "note 2")}, []string{"history before entry 20 was changed after note 2"}},
		{"rewritten after the mark", forged, []Mark{at(17, "note 1")}, nil},
		{"rolled back", log[:30], []Mark{at(30, "note 1"), at(41, "note 2")}, []string{"truncated or rolled back: note 2 says 41 entries, the log has 30"}},
		{"nothing left", nil, []Mark{at(41, "note 2")}, []string{"truncated or rolled back: note 2 says 41 entries, the log has 0"}},
		{"no such size", log, []Mark{{-1, tlog.Hash{}, "note 1"}}, []string{"note 1 says -1 entries, which no log has"}},
		{"no such root", log, []Mark{{0, tlog.Hash{}, "note 1"}}, []string{"note 1 says another root of no entries than there can be"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			report, err := Verify(sampleLog, headOf(test.records), stored(test.records), test.marks...)
			if !slices.Equal(report.Findings, test.want) || errors.Is(err, ErrBroken) != (test.want != nil) {
				t.Errorf("findings %q, %v; want %q", report.Findings, err, test.want)
			}
		})
	}
}
