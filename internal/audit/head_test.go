package audit

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"reflect"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// oracle is a log kept the way tlog keeps one: every hash stored.
type oracle []tlog.Hash

func (o *oracle) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = (*o)[index]
	}
	return hashes, nil
}

func (o *oracle) add(t interface{ Fatal(...any) }, n int64, record []byte) {
	hashes, err := tlog.StoredHashesForRecordHash(n, tlog.RecordHash(record), o)
	if err != nil {
		t.Fatal(err)
	}
	*o = append(*o, hashes...)
}

func (o *oracle) root(t interface{ Fatal(...any) }, n int64) tlog.Hash {
	root, err := tlog.TreeHash(n, o)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func headOf(records [][]byte) Head {
	var h Head
	for _, record := range records {
		h = h.Append(record)
	}
	return h
}

func TestHead_RootIsTheTreeHash(t *testing.T) {
	var h Head
	var o oracle
	for n := range int64(301) {
		if got, want := h.Root(), o.root(t, n); got != want || h.Size != n {
			t.Fatalf("size %d: root %v of %d records, want %v", n, got, h.Size, want)
		}
		record := fmt.Appendf(nil, "record %d", n)
		h = h.Append(record)
		o.add(t, n, record)
	}
}

func TestHead_RootIsTheTreeHashOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 0, 400).Draw(t, "records")
		var o oracle
		for i, record := range records {
			o.add(t, int64(i), record)
		}
		if got, want := headOf(records).Root(), o.root(t, int64(len(records))); got != want {
			t.Fatalf("root of %d records = %v, want %v", len(records), got, want)
		}
	})
}

// The test vectors of Certificate Transparency's own implementations.
func TestHead_RootIsThatOfRFC6962(t *testing.T) {
	want := []string{
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	leaves := []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	var h Head
	for i := range want {
		root := h.Root()
		if got := hex.EncodeToString(root[:]); got != want[i] {
			t.Errorf("root of %d leaves = %s, want %s", i, got, want[i])
		}
		if i < len(leaves) {
			leaf, err := hex.DecodeString(leaves[i])
			if err != nil {
				t.Fatal(err)
			}
			h = h.Append(leaf)
		}
	}
}

// An update may run again from the head it read before.
func TestHead_AppendLeavesTheOldHeadAlone(t *testing.T) {
	for n := range 70 {
		var h Head
		for i := range n {
			h = h.Append(fmt.Appendf(nil, "%d", i))
		}
		before, _ := h.MarshalBinary()
		a, b := h.Append([]byte("a")), h.Append([]byte("b"))
		after, _ := h.MarshalBinary()
		if !bytes.Equal(before, after) {
			t.Fatalf("size %d: Append changed the head it was called on", n)
		}
		if again := h.Append([]byte("a")); again.Root() != a.Root() || a.Root() == b.Root() {
			t.Fatalf("size %d: two appends to one head are not independent", n)
		}
	}
}

func TestHead_SurvivesStorage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := headOf(rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 0, 70).Draw(t, "records"))
		data, err := h.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var got Head
		if err := got.UnmarshalBinary(data); err != nil {
			t.Fatal(err)
		}
		if next := []byte("next"); got.Size != h.Size || got.Root() != h.Root() || got.Append(next).Root() != h.Append(next).Root() {
			t.Fatalf("read back head of %d records, root %v; want %d, %v", got.Size, got.Root(), h.Size, h.Root())
		}
	})
}

func TestHead_UnmarshalRefusesDamage(t *testing.T) {
	three, _ := headOf([][]byte{{1}, {2}, {3}}).MarshalBinary()
	empty, _ := Head{}.MarshalBinary()
	set := func(data []byte, i int, b byte) []byte {
		data = bytes.Clone(data)
		data[i] = b
		return data
	}
	tests := map[string][]byte{
		"nothing":         nil,
		"cut in the size": empty[:8],
		"a hash too few":  three[:len(three)-32],
		"a byte too few":  three[:len(three)-1],
		"a byte too many": append(bytes.Clone(three), 0),
		"a hash too many": append(bytes.Clone(empty), make([]byte, 32)...),
		"other size":      set(three, 8, 7),
		"other version":   set(three, 0, 2),
		"negative size":   append(set(empty, 1, 0x80), make([]byte, 32)...),
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			h := Head{}.Append([]byte("kept"))
			want := h
			if err := h.UnmarshalBinary(data); err == nil {
				t.Errorf("UnmarshalBinary(%x) = nil, want an error", data)
			}
			if !reflect.DeepEqual(h, want) {
				t.Errorf("a refused head changed the old one")
			}
		})
	}
}

func FuzzHeadUnmarshal(f *testing.F) {
	for n := range 4 {
		data, _ := headOf(make([][]byte, n)).MarshalBinary()
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var h Head
		if h.UnmarshalBinary(data) != nil {
			return
		}
		if again, _ := h.MarshalBinary(); !bytes.Equal(again, data) {
			t.Errorf("UnmarshalBinary accepted %x, which is written %x", data, again)
		}
		h.Root()
	})
}

func BenchmarkHeadAppend(b *testing.B) {
	record := sample(0).Record()
	var h Head
	b.ReportAllocs()
	for b.Loop() {
		h = h.Append(record)
	}
}

// What one audited update pays: read the head, encode the entry, append, write the head.
func BenchmarkAudit(b *testing.B) {
	data, _ := headOf(make([][]byte, 1023)).MarshalBinary()
	e := sample(1023)
	b.ReportAllocs()
	for b.Loop() {
		var h Head
		if err := h.UnmarshalBinary(data); err != nil {
			b.Fatal(err)
		}
		if _, err := h.Append(e.Record()).MarshalBinary(); err != nil {
			b.Fatal(err)
		}
	}
}
