//go:build unix

package sqlite

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// inbox is where other processes leave hints.
type inbox struct {
	run, box string
	conn     *net.UnixConn
}

// openInbox makes the socket. Its signs come after, so that none leads nowhere.
func openInbox(run, box string) (*inbox, error) {
	dir, err := os.Open(run)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	name := address(dir, boxMark+box)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(name, 0o600); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &inbox{run: run, box: box, conn: conn}, nil
}

// socket sends hints. The zero value opens itself.
type socket struct {
	fd  int
	run *os.File // nil: not open
}

// send reports whether nobody reads there any more. A full inbox has a hint waiting already.
func (s *socket) send(run, name string, hint []byte) (gone bool) {
	if s.run == nil && s.open(run) != nil {
		return false
	}
	err := syscall.Sendto(s.fd, hint, 0, &syscall.SockaddrUnix{Name: address(s.run, name)})
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT)
}

func (s *socket) open(run string) error {
	dir, err := os.Open(run)
	if err != nil {
		return err
	}
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return errors.Join(err, dir.Close())
	}
	syscall.CloseOnExec(fd)
	if err := syscall.SetNonblock(fd, true); err != nil {
		return errors.Join(err, syscall.Close(fd), dir.Close())
	}
	s.fd, s.run = fd, dir
	return nil
}

func (s *socket) close() error {
	if s.run == nil {
		return nil
	}
	return errors.Join(syscall.Close(s.fd), s.run.Close())
}
