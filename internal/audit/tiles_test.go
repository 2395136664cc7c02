package audit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// exported is a log as tiles in memory.
func exported(t interface{ Fatal(...any) }, key *Signer, log string, records [][]byte) fstest.MapFS {
	files := fstest.MapFS{}
	err := WriteTiles(func(path string, data []byte) error {
		if _, again := files[path]; again || files[tileCheckpoint] != nil {
			t.Fatal(path, "is written again, or after the checkpoint")
		}
		files[path] = &fstest.MapFile{Data: bytes.Clone(data)}
		return nil
	}, stored(records), func(size int64, root tlog.Hash) ([]byte, error) {
		return Checkpoint{Origin: Origin(key.Name(), log), Size: size, Root: root}.Sign(key)
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestWriteTiles_AreThoseOfTlog(t *testing.T) {
	key := newKey(t)
	for _, size := range []int64{0, 1, 2, 255, 256, 257, 511, 512, 700, 66_000} {
		records := make([][]byte, size)
		var o oracle
		for i := range records {
			records[i] = strconv.AppendInt(nil, int64(i), 10)
			o.add(t, int64(i), records[i])
		}
		files := exported(t, key, sampleLog, records)
		want := map[string][]byte{}
		for _, tile := range tlog.NewTiles(tileLevels, 0, size) {
			data, err := tlog.ReadTileData(tile, &o)
			if err != nil {
				t.Fatal(err)
			}
			want[strings.Replace(tile.Path(), "tile/8/", "tile/", 1)] = data
		}
		for path, data := range want {
			if files[path] == nil || !bytes.Equal(files[path].Data, data) {
				t.Errorf("size %d: %s is not what tlog gives", size, path)
			}
		}
		for path := range files {
			if _, ok := want[path]; !ok && path != tileCheckpoint && !strings.HasPrefix(path, "tile/entries/") {
				t.Errorf("size %d: %s is written, and tlog has none such", size, path)
			}
			if path != tileCheckpoint && !tileWanted(path, size) {
				t.Errorf("size %d: %s is written and said to be a stranger", size, path)
			}
		}
		var read [][]byte
		for record, err := range ReadTiles(files, size) {
			if err != nil {
				t.Fatal(err)
			}
			read = append(read, record)
		}
		if !slices.EqualFunc(read, records, bytes.Equal) {
			t.Errorf("size %d: other records are read back", size)
		}
		cp, err := OpenCheckpoint(files[tileCheckpoint].Data, key.Verifier())
		if err != nil || cp.Size != size || cp.Root != o.root(t, size) {
			t.Errorf("size %d: checkpoint %+v, %v", size, cp, err)
		}
	}
}

// The example of the specification, and that of this package's comment.
func TestTilePath_IsThatOfTheSpecification(t *testing.T) {
	for want, got := range map[string]string{
		"tile/0/x001/x234/067": tilePath("0", 1234067, 256), "tile/entries/273.p/112": tilePath("entries", 273, 112),
		"tile/2/000.p/1": tilePath("2", 0, 1), "tile/0/x001/000": tilePath("0", 1000, 256), "tile/1/999.p/255": tilePath("1", 999, 255),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for _, path := range []string{"tile/0/272", "tile/entries/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"} {
		if !tileWanted(path, 70_000) {
			t.Errorf("%s is no part of a log of 70000", path)
		}
	}
	for _, path := range []string{
		"tile/0/273", "tile/0/273.p/111", "tile/0/273.p/0", "tile/0/273.p/256", "tile/0/274", "tile/1/001", "tile/3/000.p/0", "tile/8/000", "tile/-1/000", "tile/00/000",
		"tile/0/0", "tile/0/0000", "tile/0/x000/000", "tile/0/000.p/", "tile/0/000.p/256", "tile/0/000.txt", "tile/0/../0/000", "tile/entries", "tile/0", "tile/",
		"tile/0/", "tile/data/000", "0/000", "", "checkpoint", "/tile/0/000", "tile/0/9223372036854775807", "tile/0/-01", "tile/0/x-00/001",
	} {
		if tileWanted(path, 70_000) {
			t.Errorf("%s is part of a log of 70000", path)
		}
	}
}

func TestVerifyTiles_AcceptsTheExport(t *testing.T) {
	key := newKey(t)
	for _, size := range []int{0, 1, 255, 256, 257, 600} {
		records := logOf(size)
		files := exported(t, key, sampleLog, records)
		files["README"] = &fstest.MapFile{Data: []byte("how to check this")}
		head := headOf(records)
		report, err := VerifyTiles(files, []*Verifier{newKey(t).Verifier(), key.Verifier()}, Mark{int64(size / 2), headOf(records[:size/2]).Root(), "before"})
		if err != nil || report.Log != sampleLog || report.Size != int64(size) || report.Root != head.Root() {
			t.Errorf("%d entries: %+v, %v", size, report, err)
		}
	}
}

// Each of the files is changed in each of the ways that a file can be.
func TestVerifyTiles_RefusesAnyChangedFile(t *testing.T) {
	key := newKey(t)
	whole := exported(t, key, sampleLog, logOf(700))
	rapid.Check(t, func(t *rapid.T) {
		files := maps.Clone(whole)
		path := rapid.SampledFrom(slices.Sorted(maps.Keys(files))).Draw(t, "path")
		data := bytes.Clone(files[path].Data)
		switch way := rapid.IntRange(0, 6).Draw(t, "way"); way {
		case 0:
			delete(files, path)
		case 1:
			data[rapid.IntRange(0, len(data)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		case 2:
			data = data[:rapid.IntRange(0, len(data)-1).Draw(t, "size")]
		case 3:
			data = append(data, rapid.Byte().Draw(t, "more"))
		case 4:
			other := rapid.SampledFrom(slices.Sorted(maps.Keys(files))).Filter(func(p string) bool { return p != path && !bytes.Equal(files[p].Data, data) }).Draw(t, "other")
			data = files[other].Data
		case 5:
			files[path] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("/dev/zero")}
		case 6:
			files[rapid.SampledFrom([]string{"tile/0/003", "tile/0/002.p/187", "tile/entries/000.p/255", "tile/x", "tile/9/000", "tile/0/x000/000"}).Draw(t, "stranger")] = &fstest.MapFile{Data: data}
		}
		if files[path] != nil && files[path].Mode == 0 {
			files[path] = &fstest.MapFile{Data: data}
		}
		report, err := VerifyTiles(files, []*Verifier{key.Verifier()})
		if path == tileCheckpoint && err == nil {
			cp, _ := OpenCheckpoint(data, key.Verifier()) // a bit of base64 that means nothing
			if cp.Root == report.Root && cp.Size == 700 {
				return
			}
		}
		if !errors.Is(err, ErrBroken) && !errors.Is(err, ErrNotCheckpoint) && !errors.Is(err, ErrBadSignature) && !errors.Is(err, ErrOtherKey) {
			t.Fatalf("VerifyTiles = %+v, %v", report, err)
		}
	})
}

func TestVerifyTiles_RefusesAnotherKeyAndAnotherOrigin(t *testing.T) {
	key, other := newKey(t), newKey(t)
	files := exported(t, key, sampleLog, logOf(3))
	if _, err := VerifyTiles(files, []*Verifier{other.Verifier()}); !errors.Is(err, ErrOtherKey) {
		t.Errorf("by another key: %v", err)
	}
	for _, origin := range []string{"elsewhere", key.Name(), key.Name() + "/", other.Name() + "/" + sampleLog} {
		note, err := Checkpoint{Origin: origin, Size: 3, Root: headOf(logOf(3)).Root()}.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		files[tileCheckpoint] = &fstest.MapFile{Data: note}
		if _, err := VerifyTiles(files, []*Verifier{key.Verifier(), other.Verifier()}); !errors.Is(err, ErrNotCheckpoint) {
			t.Errorf("origin %q: %v", origin, err)
		}
	}
	moved := exported(t, key, "conv_other", logOf(3))
	if report, err := VerifyTiles(moved, []*Verifier{key.Verifier()}); !errors.Is(err, ErrBroken) || report.Log != "conv_other" {
		t.Errorf("entries of another log: %+v, %v", report, err)
	}
}

func TestWriteTiles_WritesNoCheckpointAfterAnError(t *testing.T) {
	fault := errors.New("no space left")
	good := func(int64, tlog.Hash) ([]byte, error) { return []byte("checkpoint"), nil }
	failing := func(yield func([]byte, error) bool) {
		_ = yield([]byte("record"), nil) && yield(nil, fault)
	}
	for name, run := range map[string]func(write func(string, []byte) error) error{
		"reading": func(write func(string, []byte) error) error { return WriteTiles(write, failing, good) },
		"signing": func(write func(string, []byte) error) error {
			return WriteTiles(write, stored(logOf(3)), func(int64, tlog.Hash) ([]byte, error) { return nil, fault })
		},
		"writing": func(write func(string, []byte) error) error {
			return WriteTiles(func(path string, data []byte) error {
				if strings.HasPrefix(path, "tile/0/") {
					return fault
				}
				return write(path, data)
			}, stored(logOf(3)), good)
		},
	} {
		var written []string
		err := run(func(path string, _ []byte) error { written = append(written, path); return nil })
		if !errors.Is(err, fault) || slices.Contains(written, tileCheckpoint) {
			t.Errorf("%s: %v, and %q is written", name, err, written)
		}
	}
	long := [][]byte{bytes.Repeat([]byte("x"), maxRecord), bytes.Repeat([]byte("x"), maxRecord+1)}
	if err := WriteTiles(func(string, []byte) error { return nil }, stored(long[:1]), good); err != nil {
		t.Errorf("a record of %d bytes: %v", maxRecord, err)
	}
	if err := WriteTiles(func(string, []byte) error { return nil }, stored(long), good); err == nil || !strings.Contains(err.Error(), "65536") {
		t.Errorf("a record of %d bytes: %v", maxRecord+1, err)
	}
}

func TestReadTiles_TellsAReadErrorFromADamagedExport(t *testing.T) {
	key := newKey(t)
	fault := errors.New("disk on fire")
	report, err := VerifyTiles(burning{exported(t, key, sampleLog, logOf(300)), fault}, []*Verifier{key.Verifier()})
	if !errors.Is(err, fault) || errors.Is(err, ErrBroken) {
		t.Errorf("VerifyTiles = %+v, %v; want the read error alone", report, err)
	}
}

// burning fails to open the second bundle.
type burning struct {
	fstest.MapFS
	fault error
}

func (b burning) Open(name string) (fs.File, error) {
	if strings.HasPrefix(name, "tile/entries/001") {
		return nil, b.fault
	}
	return b.MapFS.Open(name)
}

// A directory from a stranger may have links in it. None is followed, neither of a file nor of a directory on the way.
func TestVerifyTiles_FollowsNoLink(t *testing.T) {
	key := newKey(t)
	for _, link := range []string{"checkpoint", "tile", "tile/0", "tile/entries", "tile/entries/000", "tile/entries/001.p", "tile/0/000", "tile/1/000.p/1"} {
		t.Run(link, func(t *testing.T) {
			dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "moved")
			if err := os.CopyFS(dir, exported(t, key, sampleLog, logOf(300))); err != nil {
				t.Fatal(err)
			}
			if report, err := VerifyTiles(os.DirFS(dir), []*Verifier{key.Verifier()}); err != nil {
				t.Fatalf("before: %+v, %v", report, err)
			}
			path := filepath.Join(dir, filepath.FromSlash(link))
			if err := errors.Join(os.Rename(path, elsewhere), os.Symlink(elsewhere, path)); err != nil {
				t.Fatal(err)
			}
			report, err := VerifyTiles(os.DirFS(dir), []*Verifier{key.Verifier()})
			if !errors.Is(err, ErrBroken) && !errors.Is(err, ErrNotCheckpoint) {
				t.Errorf("VerifyTiles = %+v, %v", report, err)
			}
		})
	}
}

func TestVerifyTiles_SaysWhatIsWrong(t *testing.T) {
	key := newKey(t)
	cut := func(path string, by int) func(fstest.MapFS) {
		return func(files fstest.MapFS) {
			files[path] = &fstest.MapFile{Data: files[path].Data[:len(files[path].Data)-by]}
		}
	}
	for _, test := range []struct {
		name   string
		change func(fstest.MapFS)
		want   []string
	}{
		{"bundle missing", func(f fstest.MapFS) { delete(f, "tile/entries/001.p/44") }, []string{
			"read entry 256 of " + sampleLog + ": the export is damaged: tile/entries/001.p/44 is missing",
		}},
		{"bundle cut short", cut("tile/entries/000", 1), []string{
			"read entry 255 of " + sampleLog + ": the export is damaged: tile/entries/000 ends in entry 255",
		}},
		{"tile missing", func(f fstest.MapFS) { delete(f, "tile/1/000.p/1") }, []string{"the export is damaged: tile/1/000.p/1 is missing"}},
		{"tile cut short", cut("tile/0/000", 32), []string{"tile/0/000 is not what the entries give"}},
		{"stranger", func(f fstest.MapFS) { f["tile/0/002"] = f["tile/0/000"] }, []string{`"tile/0/002" is no part of a log of 300 entries`}},
		{"older checkpoint", func(f fstest.MapFS) {
			f[tileCheckpoint] = &fstest.MapFile{Data: sign(t, key, sampleLog, headOf(logOf(299)))}
		}, []string{
			`"tile/0/001.p/44" is no part of a log of 299 entries`, `"tile/entries/001.p/44" is no part of a log of 299 entries`,
			"read entry 256 of " + sampleLog + ": the export is damaged: tile/entries/001.p/43 is missing",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := exported(t, key, sampleLog, logOf(300))
			test.change(files)
			report, err := VerifyTiles(files, []*Verifier{key.Verifier()})
			if !slices.Equal(report.Findings, test.want) || !errors.Is(err, ErrBroken) {
				t.Errorf("findings %q, %v; want %q", report.Findings, err, test.want)
			}
		})
	}
}

// Whatever is in a bundle, reading it ends, and gives all of it or says so.
func FuzzReadTiles(f *testing.F) {
	f.Add([]byte("\x00\x01a\x00\x00\x00\x02bc"))
	f.Add([]byte{0, 0, 0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, bundle []byte) {
		const size = 3
		var again []byte
		n := 0
		for record, err := range ReadTiles(fstest.MapFS{tilePath(tileEntries, 0, size): {Data: bundle}}, size) {
			if err != nil {
				if !errors.Is(err, errTile) {
					t.Errorf("ReadTiles of %q = %v", bundle, err)
				}
				return
			}
			n++
			again = append(binary.BigEndian.AppendUint16(again, uint16(len(record))), record...)
		}
		if n != size || !bytes.Equal(again, bundle) {
			t.Errorf("%q was read as the %d records of %q", bundle, n, again)
		}
	})
}

func FuzzTileWanted(f *testing.F) {
	f.Add("tile/entries/273.p/112", int64(70_000))
	f.Add("tile/0/x001/x234/067", int64(1)<<40)
	f.Add("tile/7/000.p/15", int64(maxSize))
	f.Fuzz(func(t *testing.T, path string, size int64) {
		if size < 0 || size > maxSize || !tileWanted(path, size) {
			return
		}
		if !fs.ValidPath(path) || strings.Contains(path, "..") || strings.ContainsAny(path, "\\:") {
			t.Errorf("%q is said to be part of a log", path)
		}
	})
}
