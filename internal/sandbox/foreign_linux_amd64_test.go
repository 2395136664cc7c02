package sandbox_test

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"agentbridge/internal/sandbox"
)

// The numbers of calls differ between architectures, so a filter by number must not be asked about those of another. A program for
// the 32 bits that this processor also speaks ends with status 42 where it may.
func TestRun_ForeignCallsEndTheProgram(t *testing.T) {
	dir := workspace(t)
	program := filepath.Join(dir, "foreign")
	if err := os.WriteFile(program, foreign(), 0o755); err != nil {
		t.Fatal(err)
	}
	outside := exec.Command(program)
	err := outside.Run()
	r := run(t, open(t, sandbox.Options{Workspace: dir}), sandbox.Command{Steps: sandbox.Pipe([][]string{{program}}...)})
	switch {
	case r.Exit == 42:
		t.Error("it made its call")
	case err != nil && outside.ProcessState != nil && outside.ProcessState.ExitCode() == 42 && r.Exit != 159: // 128 + SIGSYS
		t.Errorf("exit status %d, output %q; want it ended by SIGSYS", r.Exit, r.Output)
	}
}

// foreign is a whole ELF file: a header, one segment, exit(42) by int 0x80.
func foreign() []byte {
	const base, headers = 0x08048000, 52 + 32
	code := []byte{0xb8, 1, 0, 0, 0, 0xbb, 42, 0, 0, 0, 0xcd, 0x80}
	b := []byte("\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	half := binary.LittleEndian.AppendUint16
	word := func(b []byte, values ...uint32) []byte {
		for _, v := range values {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		return b
	}
	b = half(half(b, 2), 3)                // a program for the 386
	b = word(b, 1, base+headers, 52, 0, 0) // entry, where the segment is told
	b = half(half(half(b, 52), 32), 1)     // sizes of the headers, one segment
	b = half(half(half(b, 40), 0), 0)      // no sections
	b = word(b, 1, 0, base, base)          // load from the beginning
	b = word(b, headers+uint32(len(code)), headers+uint32(len(code)), 5, 0x1000)
	return append(b, code...)
}
