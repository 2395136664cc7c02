package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// entries draws any entry that a record can hold, with no facts as nil.
func entries() *rapid.Generator[Entry] {
	return rapid.Custom(func(t *rapid.T) Entry {
		at := time.UnixMicro(rapid.Int64Range(-62167219200_000000, 253402300799_999999).Draw(t, "at")) // years 0 to 9999
		facts := rapid.MapOfN(rapid.String(), rapid.String(), 0, 5).Draw(t, "facts")
		if len(facts) == 0 {
			facts = nil
		}
		return Entry{
			Log: rapid.String().Draw(t, "log"), N: rapid.Int64().Draw(t, "n"), At: at.UTC(), Actor: rapid.String().Draw(t, "actor"),
			Action: rapid.String().Draw(t, "action"), Subject: rapid.String().Draw(t, "subject"), Facts: facts,
		}
	})
}

// sample is an ordinary entry.
func sample(n int64) Entry {
	return Entry{
		Log: "conv_0123456789abcdef", N: n, At: time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Millisecond),
		Actor: "ada", Action: "send", Subject: "msg_0123456789abcdef",
		Facts: map[string]string{"to": "bob", "content": strings.Repeat("5f", 32)},
	}
}

// The bytes of version 1 never change: they are what is hashed.
func TestRecord_BytesAreFixed(t *testing.T) {
	tests := []struct {
		name string
		e    Entry
		want string
	}{
		{"ordinary", Entry{
			Log: "conv_00", N: 7, At: time.Date(2026, 11, 22, 17, 0, 0, 123456789, time.FixedZone("CET", 3600)),
			Actor: "ada", Action: "send", Subject: "msg_1", Facts: map[string]string{"to": "bob", "a": "1"},
		}, `{"v":1,"log":"conv_00","n":7,"at":"2026-11-22T16:00:00.123456Z","actor":"ada","action":"send","subject":"msg_1","facts":{"a":"1","to":"bob"}}`},
		{
			"zero",
			Entry{},
			`{"v":1,"log":"","n":0,"at":"0001-01-01T00:00:00.000000Z","actor":"","action":"","subject":""}`,
		},
		{
			"escapes",
			Entry{Actor: "\"\\\n\x1b\x7f\u009b", Subject: "é<&>\u2028😀\xff"},
			`{"v":1,"log":"","n":0,"at":"0001-01-01T00:00:00.000000Z","actor":"\"\\\u000a\u001b\u007f\u009b","action":"","subject":"é<&>` + "\u2028" + `😀` + "\ufffd" + `"}`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := string(test.e.Record()); got != test.want {
				t.Errorf("Record() =\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestRecord_ParsesBackToTheEntry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := entries().Draw(t, "entry")
		got, err := ParseRecord(e.Record())
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, e) {
			t.Fatalf("ParseRecord(Record()) = %#v, want %#v", got, e)
		}
	})
}

// Whoever reads an export has no other reader than an ordinary JSON one, and perhaps a terminal.
func TestRecord_IsOneSafeLineOfJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := entries().Draw(t, "entry")
		e.Actor = string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		record := e.Record()
		if !json.Valid(record) || !utf8.Valid(record) {
			t.Fatalf("not JSON: %q", record)
		}
		if i := strings.IndexFunc(string(record), unicode.IsControl); i >= 0 {
			t.Fatalf("control character at %d: %q", i, record)
		}
	})
}

func TestParseRecord_RefusesWhatRecordWouldNotWrite(t *testing.T) {
	ok := string(sample(3).Record())
	if _, err := ParseRecord([]byte(ok)); err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"nothing":          "",
		"not an object":    "null",
		"empty object":     "{}",
		"newline":          ok + "\n",
		"second record":    ok + ok,
		"space":            strings.Replace(ok, `,"n"`, `, "n"`, 1),
		"other version":    strings.Replace(ok, `"v":1`, `"v":2`, 1),
		"no version":       strings.Replace(ok, `"v":1,`, ``, 1),
		"unknown key":      strings.Replace(ok, `,"n"`, `,"x":1,"n"`, 1),
		"key twice":        strings.Replace(ok, `,"n"`, `,"n":3,"n"`, 1),
		"fact twice":       strings.Replace(ok, `"to":"bob"`, `"to":"eve","to":"bob"`, 1),
		"no subject":       strings.Replace(ok, `,"subject":"msg_0123456789abcdef"`, ``, 1),
		"facts unsorted":   strings.Replace(ok, `"to":"bob"}`, `"to":"bob","a":"b"}`, 1),
		"facts empty":      ok[:strings.Index(ok, `{"content`)] + "{}}",
		"other case":       strings.Replace(ok, `"actor"`, `"Actor"`, 1),
		"needless escape":  strings.Replace(ok, `"ada"`, `"\u0061da"`, 1),
		"lone surrogate":   strings.Replace(ok, `"ada"`, `"\ud800"`, 1),
		"not UTF-8":        strings.Replace(ok, `"ada"`, "\"\xff\"", 1),
		"number as float":  strings.Replace(ok, `"n":3`, `"n":3.0`, 1),
		"number too large": strings.Replace(ok, `"n":3`, `"n":9223372036854775808`, 1),
		"time with offset": strings.Replace(ok, `003000Z`, `003000+00:00`, 1),
		"time cut short":   strings.Replace(ok, `.003000Z`, `.003Z`, 1),
		"nanoseconds":      strings.Replace(ok, `.003000Z`, `.003000001Z`, 1),
	}
	for name, record := range tests {
		t.Run(name, func(t *testing.T) {
			if record == ok {
				t.Fatal("the case changes nothing")
			}
			if e, err := ParseRecord([]byte(record)); err == nil {
				t.Errorf("ParseRecord(%q) = %+v, want an error", record, e)
			}
		})
	}
}

// parseJSON is ParseRecord with an ordinary JSON reader: what it accepts, and as what, is what ParseRecord must.
func parseJSON(record []byte) (Entry, error) {
	var r struct {
		V       int               `json:"v"`
		Log     string            `json:"log"`
		N       int64             `json:"n"`
		At      time.Time         `json:"at"`
		Actor   string            `json:"actor"`
		Action  string            `json:"action"`
		Subject string            `json:"subject"`
		Facts   map[string]string `json:"facts"`
	}
	if err := json.Unmarshal(record, &r); err != nil {
		return Entry{}, fmt.Errorf("parse record: %w", err)
	}
	if r.V != recordVersion {
		return Entry{}, fmt.Errorf("parse record: version %d, and this program reads version %d", r.V, recordVersion)
	}
	e := Entry{Log: r.Log, N: r.N, At: r.At.UTC(), Actor: r.Actor, Action: r.Action, Subject: r.Subject, Facts: r.Facts}
	// The decoder forgives spaces, double keys, other orders and unknown fields. Writing the entry again forgives nothing.
	if !bytes.Equal(e.Record(), record) {
		return Entry{}, errors.New("parse record: not in canonical form")
	}
	return e, nil
}

// agree holds the two readers against each other.
func agree(t interface{ Errorf(string, ...any) }, record []byte) {
	got, err := ParseRecord(record)
	want, wantErr := parseJSON(record)
	if (err == nil) != (wantErr == nil) || !reflect.DeepEqual(got, want) {
		t.Errorf("ParseRecord(%q) = %+v, %v; a JSON reader gives %+v, %v", record, got, err, want, wantErr)
	}
}

func TestParseRecord_ReadsWhatAJSONReaderReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		record := entries().Draw(t, "entry").Record()
		agree(t, record)
		for range 20 {
			damaged := slices.Clone(record)
			at := rapid.IntRange(0, len(record)-1).Draw(t, "at")
			switch rapid.IntRange(0, 3).Draw(t, "way") {
			case 0:
				damaged[at] = rapid.Byte().Draw(t, "byte")
			case 1:
				damaged = slices.Delete(damaged, at, at+1)
			case 2:
				damaged = slices.Insert(damaged, at, rapid.SampledFrom([]byte(`0123456789-+.",:{}\\uabf`)).Draw(t, "byte"))
			case 3:
				damaged[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			}
			agree(t, damaged)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	f.Add(sample(0).Record())
	f.Add(Entry{Actor: "\"\\\x00é"}.Record())
	f.Add([]byte(`{"v":1}`))
	f.Add([]byte(strings.Replace(string(sample(0).Record()), "ada", `\u009f\"\\é`, 1)))
	f.Fuzz(func(t *testing.T, record []byte) {
		agree(t, record)
		e, err := ParseRecord(record)
		if err != nil {
			return
		}
		if got := e.Record(); string(got) != string(record) {
			t.Errorf("ParseRecord accepted %q, which is written %q", record, got)
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add("conv_00", "ada", "send", "msg_00", "to", "bob")
	f.Add("", "\xff", "\"", "\\", "\u009b", "\U0010ffff")
	f.Fuzz(func(t *testing.T, log, actor, action, subject, key, value string) {
		e := Entry{Log: log, Actor: actor, Action: action, Subject: subject, Facts: map[string]string{key: value}}
		got, err := ParseRecord(e.Record())
		if err != nil {
			t.Fatal(err)
		}
		valid := func(s string) string { return string([]rune(s)) }
		want := Entry{
			Log: valid(log), Actor: valid(actor), Action: valid(action), Subject: valid(subject),
			Facts: map[string]string{valid(key): valid(value)},
		}
		if got.Log != want.Log || got.Actor != want.Actor || got.Action != want.Action || got.Subject != want.Subject || !maps.Equal(got.Facts, want.Facts) {
			t.Errorf("ParseRecord(Record()) = %+v, want %+v", got, want)
		}
	})
}

func TestContentHash_TellsPartsApart(t *testing.T) {
	key, other := []byte("0123456789abcdef"), []byte("0123456789abcdeF")
	seen := map[string]string{}
	for name, hash := range map[string]string{
		"none": ContentHash(key), "empty": ContentHash(key, ""), "two empty": ContentHash(key, "", ""), "ab c": ContentHash(key, "ab", "c"),
		"a bc": ContentHash(key, "a", "bc"), "abc": ContentHash(key, "abc"), "other key": ContentHash(other, "abc"),
		"label": ContentHash(key, contentLabel),
	} {
		if len(hash) != 64 {
			t.Errorf("%s: ContentHash = %q, want 64 hex digits", name, hash)
		}
		if was, ok := seen[hash]; ok {
			t.Errorf("%q and %q have the same hash", name, was)
		}
		seen[hash] = name
	}
	if got, want := ContentHash(key, "hello", "world"), "4d69ed9f4dcf0c2cb62f7684a3cd6cec2e3d8434471d3cf1de9e70a500f59afd"; got != want {
		t.Errorf("ContentHash = %s, want %s: stored hashes no longer match their content", got, want)
	}
}

func TestContentHash_RefusesAGuessableKey(t *testing.T) {
	for _, key := range [][]byte{nil, {}, []byte("0123456789abcde")} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("ContentHash took a key of %d bytes", len(key))
				}
			}()
			ContentHash(key, "secret")
		}()
	}
}

func BenchmarkParseRecord(b *testing.B) {
	record := sample(0).Record()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseRecord(record); err != nil {
			b.Fatal(err)
		}
	}
}
