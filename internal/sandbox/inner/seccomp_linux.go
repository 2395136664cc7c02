//go:build amd64 || arm64

package inner

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// forbidden are the calls that no command needs for its own files and processes, and that have opened a way out of a sandbox before or could.
// They fail with EPERM. The list is of what is refused, because what programs need grows with every release of a language; what the
// kernel may grow is refused by newest.
var forbidden = []uint32{
	// other processes' memory and descriptors
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE, unix.SYS_KCMP, unix.SYS_PIDFD_GETFD,
	// namespaces, mounts and roots
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_MOVE_MOUNT,
	unix.SYS_OPEN_TREE, unix.SYS_OPEN_TREE_ATTR, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
	// files by number instead of by path
	unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT,
	// keyrings, which no namespace divides
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	// machinery of the kernel with a history of holes
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_FANOTIFY_INIT, unix.SYS_LOOKUP_DCOOKIE,
	// the machine itself
	unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_REBOOT,
	unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_SYSLOG, unix.SYS_VHANGUP,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
}

// newest is the last call that was looked at for the list above. Later ones fail with ENOSYS, as on an older kernel, and so do
// those of the x32 family, whose numbers are large.
const newest = unix.SYS_RSEQ_SLICE_YIELD

const (
	namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWTIME
	setID      = unix.S_ISUID | unix.S_ISGID
	creating   = unix.O_CREAT | unix.O_TMPFILE&^unix.O_DIRECTORY
	tioclinux  = 0x541c
)

// seccomp filters the calls of all threads of this process and of all that it starts.
func seccomp(spec *Spec) error {
	filter := program(spec)
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// TSYNC: a thread without the filter would be a way around it.
	r, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return wrap("seccomp", errno)
	}
	if r != 0 {
		return wrap("seccomp: a thread would not follow", unix.ESRCH)
	}
	return nil
}

// program is the filter, in classic BPF over struct seccomp_data: number at 0, architecture at 4, arguments of 8 bytes from 16 on, low half first.
func program(spec *Spec) []unix.SockFilter {
	var p assembler
	p.load(4)
	p.unless(unix.BPF_JEQ, auditArch, unix.SECCOMP_RET_KILL_PROCESS) // a foreign call table has other numbers
	p.load(0)
	p.when(unix.BPF_JGT, newest, refuse(unix.ENOSYS))
	for _, nr := range forbidden {
		p.when(unix.BPF_JEQ, nr, refuse(unix.EPERM))
	}
	for _, nr := range forbiddenHere {
		p.when(unix.BPF_JEQ, nr, refuse(unix.EPERM))
	}
	// Their arguments are behind a pointer, where a filter cannot look. Libraries fall back to the older calls.
	for _, nr := range []uint32{unix.SYS_CLONE3, unix.SYS_OPENAT2} {
		p.when(unix.BPF_JEQ, nr, refuse(unix.ENOSYS))
	}
	p.call(unix.SYS_CLONE, unix.EPERM, some(0, namespaces))
	// Keystrokes for somebody else's terminal.
	for _, order := range []uint32{unix.TIOCSTI, tioclinux, unix.TIOCCONS} {
		p.call(unix.SYS_IOCTL, unix.EPERM, equals(1, order))
	}
	// A file that gives its owner's rights to whoever starts it would give away the rights of the person who approved.
	p.call(unix.SYS_FCHMOD, unix.EPERM, some(1, setID))
	p.call(unix.SYS_FCHMODAT, unix.EPERM, some(2, setID))
	p.call(unix.SYS_FCHMODAT2, unix.EPERM, some(2, setID))
	p.call(unix.SYS_OPENAT, unix.EPERM, some(2, creating), some(3, setID))
	p.call(unix.SYS_MKNODAT, unix.EPERM, some(2, setID))
	p.old()
	var families []uint32
	if spec.Unix {
		families = append(families, unix.AF_UNIX)
	}
	if spec.Inet {
		families = append(families, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK)
	}
	p.families(families)
	p.ret(unix.SECCOMP_RET_ALLOW)
	return p
}

type assembler []unix.SockFilter

func refuse(errno unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(errno) }

func (p *assembler) add(code uint16, jt, jf uint8, k uint32) {
	*p = append(*p, unix.SockFilter{Code: code, Jt: jt, Jf: jf, K: k})
}

func (p *assembler) load(offset uint32) { p.add(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 0, 0, offset) }

func (p *assembler) ret(action uint32) { p.add(unix.BPF_RET|unix.BPF_K, 0, 0, action) }

// when ends with the action if the comparison holds, unless if it does not.
func (p *assembler) when(compare uint16, k, action uint32) {
	p.add(unix.BPF_JMP|compare|unix.BPF_K, 0, 1, k)
	p.ret(action)
}

func (p *assembler) unless(compare uint16, k, action uint32) {
	p.add(unix.BPF_JMP|compare|unix.BPF_K, 1, 0, k)
	p.ret(action)
}

// condition looks at the low half of one argument; the kernel ignores the high half of those we ask for.
type condition struct {
	argument uint32
	compare  uint16
	value    uint32
}

func some(argument, bits uint32) condition {
	return condition{argument, unix.BPF_JSET, bits}
}

func equals(argument, value uint32) condition {
	return condition{argument, unix.BPF_JEQ, value}
}

// call refuses a call for which all conditions hold. The number is loaded before and after.
func (p *assembler) call(nr uint32, errno unix.Errno, conditions ...condition) {
	rest := uint8(2*len(conditions) + 2) // what follows the first jump
	p.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, 0, rest, nr)
	for i, c := range conditions {
		p.load(16 + 8*c.argument)
		p.add(unix.BPF_JMP|c.compare|unix.BPF_K, 0, uint8(2*(len(conditions)-1-i)+1), c.value)
	}
	p.ret(refuse(errno))
	p.load(0)
}

// families refuses sockets of any other family: some of them, vsock first, know no network namespaces.
func (p *assembler) families(allowed []uint32) {
	p.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, 0, uint8(len(allowed)+2), unix.SYS_SOCKET)
	p.load(16)
	for i, family := range allowed {
		p.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, uint8(len(allowed)-i), 0, family)
	}
	p.ret(refuse(unix.EAFNOSUPPORT))
}
