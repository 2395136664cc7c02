package cli

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestOwnPipe_CanBeWaitedForAndLeavesTheInheritedOneBlocking(t *testing.T) {
	for name, open := range map[string]func() (in, out *os.File){
		"pipe": func() (*os.File, *os.File) {
			fds := make([]int, 2)
			if err := syscall.Pipe2(fds, syscall.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			return os.NewFile(uintptr(fds[0]), "in"), os.NewFile(uintptr(fds[1]), "out")
		},
		"socket": func() (*os.File, *os.File) {
			fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			return os.NewFile(uintptr(fds[0]), "in"), os.NewFile(uintptr(fds[1]), "out")
		},
	} {
		t.Run(name, func(t *testing.T) {
			inherited, client := open()
			defer inherited.Close()
			own := ownPipe(inherited).(*os.File)
			defer own.Close()
			if err := own.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
				t.Fatalf("nothing waits for it: %v", err)
			}
			if _, err := own.Read(make([]byte, 1)); !os.IsTimeout(err) {
				t.Fatalf("Read of nothing = %v, want a time-out", err)
			}
			own.SetReadDeadline(time.Time{})
			if _, err := client.WriteString("line\n"); err != nil {
				t.Fatal(err)
			}
			client.Close()
			if got, err := io.ReadAll(own); string(got) != "line\n" || err != nil {
				t.Errorf("read %q, %v", got, err)
			}
			if flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, inherited.Fd(), syscall.F_GETFL, 0); name == "pipe" && (errno != 0 || flags&syscall.O_NONBLOCK != 0) {
				t.Error("what others inherited does not block any more")
			}
		})
	}
}

func TestOwnPipe_LeavesFilesAlone(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "requests"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := ownPipe(f); got != io.Reader(f) {
		t.Errorf("a file became %v", got)
	}
}
