package audit

import (
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

const million = 1_000_000

// made gives n records that are made when they are asked for, all at once none.
func made(n int) func(yield func([]byte, error) bool) {
	return func(yield func([]byte, error) bool) {
		for i := range n {
			if !yield(sample(int64(i)).Record(), nil) {
				return
			}
		}
	}
}

// What making the records costs is what BenchmarkVerifyMillion and BenchmarkWriteTilesMillion must not be blamed for.
func BenchmarkMakeMillion(b *testing.B) {
	for b.Loop() {
		for range made(million) {
		}
	}
}

// One million entries are to verify within 10 seconds, reading included; in here, within 3.
func BenchmarkVerifyMillion(b *testing.B) {
	var t tree
	var marks []Mark
	for record := range made(million) {
		if t.append(record); t.Size%1000 == 0 {
			marks = append(marks, Mark{t.Size, t.Root(), "mark"})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Verify(sampleLog, t.Head, made(million), marks...); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteTilesMillion(b *testing.B) {
	key := newKey(b)
	var files, size int
	b.ReportAllocs()
	for b.Loop() {
		files, size = 0, 0
		err := WriteTiles(func(_ string, data []byte) error {
			files, size = files+1, size+len(data)
			return nil
		}, made(million), func(size int64, root tlog.Hash) ([]byte, error) {
			return Checkpoint{Origin: Origin(key.Name(), sampleLog), Size: size, Root: root}.Sign(key)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(files), "files")
	b.ReportMetric(float64(size)/1e6, "MB")
}

func BenchmarkProveInclusionOfMillion(b *testing.B) {
	for b.Loop() {
		if _, _, err := ProveInclusion(123_456, million, made(million)); err != nil {
			b.Fatal(err)
		}
	}
}
