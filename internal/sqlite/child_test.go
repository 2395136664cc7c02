package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// childDuty is the variable that makes this test binary another process of a store: it says what to do.
const childDuty = "AGENTBRIDGE_SQLITE_CHILD"

// duties are what a child can do with a path. It answers on out, one line each, and ends when in does.
var duties = map[string]func(path string, in *bufio.Reader, out io.Writer) error{
	// open opens the store and closes it.
	"open": func(path string, in *bufio.Reader, out io.Writer) error {
		s, err := Open(context.Background(), path, Options{})
		if err != nil {
			return err
		}
		return s.Close()
	},
	// umask opens a new store where the umask forbids nothing, and touches everything that makes files.
	"umask": func(path string, in *bufio.Reader, out io.Writer) error {
		syscall.Umask(0)
		s, err := Open(context.Background(), path, Options{})
		if err != nil {
			return err
		}
		s.Watch(context.Background(), bridge.Everything)
		fmt.Fprintln(out, s.Instance())
		_, _ = in.ReadString('\n')
		return s.Close()
	},
	// live shows a lock until it is told to end.
	"live": func(path string, in *bufio.Reader, out io.Writer) error {
		s, err := Open(context.Background(), path, Options{})
		if err != nil {
			return err
		}
		s.Watch(context.Background(), bridge.Everything)
		fmt.Fprintln(out, s.Instance())
		_, _ = in.ReadString('\n')
		return s.Close()
	},
	// hold stays in the middle of an update.
	"hold": func(path string, in *bufio.Reader, out io.Writer) error {
		s, err := Open(context.Background(), path, Options{})
		if err != nil {
			return err
		}
		return s.Update(context.Background(), bridge.Deployment, func(tx bridge.Tx) error {
			if err := tx.PutMeta("held", nil); err != nil {
				return err
			}
			fmt.Fprintln(out, "held")
			_, _ = in.ReadString('\n')
			return nil
		})
	},
	// hammer updates as fast as it can from a line of input to the next, and says how often and what the longest wait was.
	"hammer": func(path string, in *bufio.Reader, out io.Writer) error {
		s, err := Open(context.Background(), path, Options{})
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "ready")
		line, _ := in.ReadString('\n')
		var callers int
		var lasts time.Duration
		fmt.Sscan(line, &callers, (*int64)(&lasts))
		end, each := time.Now().Add(lasts), make(chan [2]int64, callers)
		for c := range callers {
			go func() {
				n, longest := int64(0), int64(0)
				for time.Now().Before(end) {
					start := time.Now()
					if err := s.Update(context.Background(), bridge.Deployment, bump(strconv.Itoa(os.Getpid())+"."+strconv.Itoa(c))); err != nil {
						fmt.Fprintln(os.Stderr, err)
						os.Exit(1)
					}
					n, longest = n+1, max(longest, int64(time.Since(start)))
				}
				each <- [2]int64{n, longest}
			}()
		}
		n, longest := int64(0), int64(0)
		for range callers {
			got := <-each
			n, longest = n+got[0], max(longest, got[1])
		}
		fmt.Fprintln(out, n, longest)
		return s.Close()
	},
	// echo answers every hint about one topic with one about another.
	"echo": func(path string, in *bufio.Reader, out io.Writer) error {
		s, err := Open(context.Background(), path, Options{})
		if err != nil {
			return err
		}
		hints := s.Watch(context.Background(), "ping")
		fmt.Fprintln(out, s.Instance())
		go func() {
			for range hints {
				fmt.Fprintln(out, time.Now().UnixNano())
			}
		}()
		_, _ = in.ReadString('\n')
		return s.Close()
	},
}

// bump counts in a row of its own.
func bump(key string) func(tx bridge.Tx) error {
	return func(tx bridge.Tx) error {
		v, err := tx.Meta(key)
		if err != nil && !errors.Is(err, bridge.NotFound) {
			return err
		}
		n, _ := strconv.Atoi(string(v))
		return tx.PutMeta(key, []byte(strconv.Itoa(n+1)))
	}
}

// actAsChild does a child's duty in a process that was started for it, and returns at once in any other.
func actAsChild() {
	duty, path, _ := strings.Cut(os.Getenv(childDuty), " ")
	if duty == "" {
		return
	}
	if err := duties[duty](path, bufio.NewReader(os.Stdin), os.Stdout); err != nil {
		fmt.Fprintln(os.Stdout, "error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child is another process.
type child struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// spawn starts a process that ends with the test.
func spawn(t testing.TB, duty, path string) *child {
	t.Helper()
	return prepareChild(t, duty, path).start()
}

func prepareChild(t testing.TB, duty, path string) *child {
	c := &child{t: t, cmd: exec.Command("/proc/self/exe", "-test.run=^$")}
	c.cmd.Env = append(os.Environ(), childDuty+"="+duty+" "+path)
	c.cmd.Stderr = t.Output()
	return c
}

func (c *child) start() *child {
	c.t.Helper()
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		c.t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { c.end() })
	return c
}

// line reads what it says next.
func (c *child) line() string {
	c.t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatalf("a child says %q and nothing more: %v", line, err)
	}
	return strings.TrimSpace(line)
}

func (c *child) say(line string) {
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.t.Error(err)
	}
}

// end lets it finish and waits for it.
func (c *child) end() error {
	_ = c.in.Close()
	return c.cmd.Wait()
}

func (c *child) signal(sig syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(sig); err != nil {
		c.t.Fatal(err)
	}
}
