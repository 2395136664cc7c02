//go:build linux && networks

package workload_test

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"agentbridge/internal/workload"
)

// The same over real network boundaries: the hub, the agents and what lies between them are in network namespaces of their own, which
// are connected by virtual cables and to nothing else. The test makes them, in namespaces of its own, so nothing of the machine changes. It
// needs iproute2, util-linux, and the right to make namespaces: be root, or let users make them.
const inside = "AGENTBRIDGE_TEST_NETWORKS"

// The addresses of the two cables. The end with 254 is this process's.
const (
	hubEnd    = "10.77.0.1"
	agentsEnd = "10.77.1.1"
	hubHere   = "10.77.0.254"
	linesHere = "10.77.1.254"
)

func TestNetworks_PartitionsLinksDownAndDeadHubsLoseAndDoubleNothing(t *testing.T) {
	if os.Getenv(inside) == "" {
		again(t)
		return
	}
	wire(t)
	binary := build(t)
	program := func(namespace string) workload.Program {
		return workload.Program{
			Path: binary, Data: t.TempDir(), Env: []string{"AGENTBRIDGE_LIMITS=off", "AGENTBRIDGE_LOG=error"},
			Within: []string{"nsenter", "--net=/run/netns/" + namespace},
		}
	}
	rep, err := workload.Partition(t.Context(), workload.Partitions{
		Hub: program("hub"), Agents: program("agents"), Listen: hubEnd + ":7483", Lines: linesHere, Pairs: 3,
		Cuts: 2, Least: time.Second, Most: 6 * time.Second, Kills: 3, Downs: 3, Delay: 10 * time.Millisecond,
		Down: func() (func(), error) {
			return func() { ip(t, "-n", "agents", "link", "set", "eth0", "up") }, try("ip", "-n", "agents", "link", "set", "eth0", "down")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d cuts, %d links down, %d kills, %d acknowledged, %d refused, %d redelivered", rep.Cuts, rep.Downs, rep.Kills, rep.Acknowledged, rep.Refused, rep.Redelivered)
	t.Logf("again after a cut p50 %s, most %s; after a link is up %s, %s; after a kill %s, %s",
		rep.Healed.At(.5), rep.Healed.At(1), rep.Raised.At(.5), rep.Raised.At(1), rep.Restarted.At(.5), rep.Restarted.At(1))
	if rep.Cuts != 12 || rep.Kills != 3 || rep.Downs != 3 || rep.Acknowledged == 0 || len(rep.Lost)+len(rep.Doubled)+len(rep.Faults) > 0 {
		t.Errorf("lost %v, doubled %v, faults %v", rep.Lost, rep.Doubled, rep.Faults)
	}
}

// again runs the test in namespaces of its own.
func again(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=9m")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("in namespaces of its own: %v", err)
	}
}

// wire makes the namespaces hub and agents, and a cable from each to here.
func wire(t *testing.T) {
	for _, command := range [][]string{{"mount", "--make-rprivate", "/"}, {"mount", "-t", "tmpfs", "tmpfs", "/run"}} {
		if err := try(command...); err != nil {
			t.Fatal(err)
		}
	}
	ip(t, "link", "set", "lo", "up")
	for name, ends := range map[string][2]string{"hub": {hubHere, hubEnd}, "agents": {linesHere, agentsEnd}} {
		ip(t, "netns", "add", name)
		ip(t, "link", "add", "to-"+name, "type", "veth", "peer", "name", "eth0", "netns", name)
		ip(t, "addr", "add", ends[0]+"/24", "dev", "to-"+name)
		ip(t, "link", "set", "to-"+name, "up")
		ip(t, "-n", name, "addr", "add", ends[1]+"/24", "dev", "eth0")
		ip(t, "-n", name, "link", "set", "lo", "up")
		ip(t, "-n", name, "link", "set", "eth0", "up")
	}
	// Where the kernel has it, packets are late and some are lost, too.
	if err := try("tc", "qdisc", "add", "dev", "to-agents", "root", "netem", "delay", "5ms", "2ms", "loss", "1%"); err != nil {
		t.Logf("without netem: %v", err)
	}
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	if err := try(append([]string{"ip"}, args...)...); err != nil {
		t.Fatal(err)
	}
}

func try(command ...string) error {
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%v: %w: %s", command, err, out)
	}
	return nil
}
