package workload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// onTerminal runs a command on a terminal of its own, as a person would, and gives what it shows. Its failure is no error.
func onTerminal(cmd *exec.Cmd) ([]byte, error) {
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer ours.Close()
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return nil, err
	}
	number, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		return nil, err
	}
	theirs, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	var shown bytes.Buffer
	read := make(chan struct{})
	go func() { // ends with an error once the other end is closed everywhere
		defer close(read)
		io.Copy(&shown, ours)
	}()
	err = cmd.Run()
	theirs.Close()
	<-read
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		err = nil
	}
	return shown.Bytes(), err
}
