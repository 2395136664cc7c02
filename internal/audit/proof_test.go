package audit

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

func TestProve_IsWhatTlogProves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 1, 300).Draw(t, "records")
		size := rapid.Int64Range(1, int64(len(records))).Draw(t, "size") // the log may have grown on
		n := rapid.Int64Range(0, size-1).Draw(t, "n")
		var o oracle
		for i, record := range records {
			o.add(t, int64(i), record)
		}
		p, root, err := ProveInclusion(n, size, stored(records))
		if err != nil {
			t.Fatal(err)
		}
		want, err := tlog.ProveRecord(size, n, &o)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(p.Hashes, want) || p.N != n || !bytes.Equal(p.Record, records[n]) || root != o.root(t, size) {
			t.Fatalf("entry %d of %d: %+v with root %v, want %v", n, size, p, root, want)
		}
		if err := tlog.CheckRecord(p.Hashes, size, root, n, tlog.RecordHash(p.Record)); err != nil {
			t.Fatal(err)
		}
		tree, root, err := ProveConsistency(n+1, size, stored(records))
		if err != nil {
			t.Fatal(err)
		}
		wantTree, err := tlog.ProveTree(size, n+1, &o)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(tree, wantTree) || root != o.root(t, size) {
			t.Fatalf("%d continue %d: %v with root %v, want %v", size, n+1, tree, root, wantTree)
		}
		if err := tlog.CheckTree(tree, size, root, n+1, o.root(t, n+1)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestProve_RefusesWhatIsNotThere(t *testing.T) {
	records := logOf(9)
	for _, at := range [][2]int64{{-1, 9}, {9, 9}, {0, 0}, {0, 10}, {0, -1}, {0, maxSize + 1}} {
		if _, _, err := ProveInclusion(at[0], at[1], stored(records)); err == nil {
			t.Errorf("ProveInclusion(%d, %d) of a log of 9 = nil", at[0], at[1])
		}
	}
	for _, at := range [][2]int64{{0, 9}, {-1, 9}, {5, 4}, {5, 10}, {1, maxSize + 1}} {
		if _, _, err := ProveConsistency(at[0], at[1], stored(records)); err == nil {
			t.Errorf("ProveConsistency(%d, %d) of a log of 9 = nil", at[0], at[1])
		}
	}
	disk := errors.New("disk on fire")
	failing := func(yield func([]byte, error) bool) { yield(nil, disk) }
	if _, _, err := ProveInclusion(0, 9, failing); !errors.Is(err, disk) {
		t.Errorf("ProveInclusion = %v, want the read error", err)
	}
	if _, _, err := ProveConsistency(1, 9, failing); !errors.Is(err, disk) {
		t.Errorf("ProveConsistency = %v, want the read error", err)
	}
}

// proofOf proves entry n of an ordinary log of some size.
func proofOf(t interface{ Fatal(...any) }, key *Signer, n, size int64) Proof {
	records := logOf(int(size))
	p, root, err := ProveInclusion(n, size, stored(records))
	if err != nil {
		t.Fatal(err)
	}
	head := headOf(records)
	if head.Root() != root {
		t.Fatal("another root")
	}
	p.Checkpoint = sign(t, key, sampleLog, head)
	return p
}

func TestProof_HoldsForAStrangerWithTheKey(t *testing.T) {
	key := newKey(t)
	for _, size := range []int64{1, 2, 3, 8, 13, 64, 65} {
		for n := range size {
			p, err := ParseProof(proofOf(t, key, n, size).Text())
			if err != nil {
				t.Fatal(err)
			}
			e, err := p.Verify(key.Verifier())
			if err != nil || !reflect.DeepEqual(e, sample(n)) {
				t.Fatalf("entry %d of %d: Verify = %+v, %v", n, size, e, err)
			}
		}
	}
}

func TestProof_DoesNotHoldForAnythingElse(t *testing.T) {
	key, other := newKey(t), newKey(t)
	good := proofOf(t, key, 5, 13)
	foreign := good // the same log by another's word
	foreign.Checkpoint = sign(t, other, sampleLog, headOf(logOf(13)))
	tests := map[string]struct {
		change func(p *Proof)
		want   error
	}{
		"other entry":       {func(p *Proof) { p.Record = sample(6).Record() }, ErrProof},
		"other position":    {func(p *Proof) { p.N = 6 }, ErrProof},
		"edited":            {func(p *Proof) { e := sample(5); e.Actor = "eve"; p.Record = e.Record() }, ErrProof},
		"no entry":          {func(p *Proof) { p.Record = []byte("{}") }, ErrProof},
		"hash too few":      {func(p *Proof) { p.Hashes = p.Hashes[1:] }, ErrProof},
		"hash too many":     {func(p *Proof) { p.Hashes = append(slices.Clone(p.Hashes), tlog.Hash{}) }, ErrProof},
		"other hash":        {func(p *Proof) { p.Hashes = slices.Clone(p.Hashes); p.Hashes[0][0] ^= 1 }, ErrProof},
		"log of other size": {func(p *Proof) { p.Checkpoint = sign(t, key, sampleLog, headOf(logOf(14))) }, ErrProof},
		"shorter log":       {func(p *Proof) { p.Checkpoint = sign(t, key, sampleLog, headOf(logOf(3))) }, ErrProof},
		"other log's name":  {func(p *Proof) { p.Checkpoint = sign(t, key, "conv_other", headOf(logOf(13))) }, ErrProof},
		"other key":         {func(p *Proof) { p.Checkpoint = foreign.Checkpoint }, ErrOtherKey},
		"changed checkpoint": {func(p *Proof) {
			p.Checkpoint = bytes.Replace(p.Checkpoint, []byte("\n13\n"), []byte("\n14\n"), 1)
		}, ErrBadSignature},
		"no checkpoint": {func(p *Proof) { p.Checkpoint = nil }, ErrNotCheckpoint},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := good
			test.change(&p)
			if e, err := p.Verify(key.Verifier()); !errors.Is(err, test.want) {
				t.Errorf("Verify = %+v, %v; want %v", e, err, test.want)
			}
		})
	}
	if _, err := good.Verify(key.Verifier()); err != nil {
		t.Errorf("the proof itself: %v", err)
	}
}

func TestParseProof_RefusesWhatTextWouldNotWrite(t *testing.T) {
	key := newKey(t)
	text := proofOf(t, key, 5, 13).Text()
	replace := func(old, new string) []byte { return bytes.Replace(text, []byte(old), []byte(new), 1) }
	for name, text := range map[string][]byte{
		"nothing": nil, "empty lines": []byte("\n\n"), "header alone": []byte(proofHeader + "\n\n"), "other version": replace("@v1", "@v2"),
		"no record": replace("extra ", "extra"), "no index": replace("index 5\n", ""), "index with a zero": replace("index 5", "index 05"),
		"negative index": replace("index 5", "index -5"), "no hash": replace("index 5\n", "index 5\nAAAA\n"),
		"carriage return": replace("index 5\n", "index 5\r\n"), "no empty line": bytes.ReplaceAll(text, []byte("\n\n"), []byte("\n")),
	} {
		if p, err := ParseProof(text); err == nil {
			t.Errorf("%s: ParseProof(%q) = %+v", name, text, p)
		}
	}
}

func FuzzParseProof(f *testing.F) {
	key := newKey(f)
	f.Add(proofOf(f, key, 5, 13).Text())
	f.Add(proofOf(f, key, 0, 1).Text())
	f.Add([]byte(proofHeader + "\nextra AAAA\nindex 9223372036854775807\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParseProof(text)
		if err != nil {
			return
		}
		if again := p.Text(); !bytes.Equal(again, text) {
			t.Errorf("ParseProof accepted %q, which is written %q", text, again)
		}
		p.Verify(key.Verifier())
		// Whatever it is, no hash of it makes another entry one of this log.
		p.Checkpoint = sign(t, key, sampleLog, headOf(logOf(13)))
		if e, err := p.Verify(key.Verifier()); err == nil && !bytes.Equal(e.Record(), sample(e.N).Record()) {
			t.Errorf("%q proves %+v", text, e)
		}
	})
}
