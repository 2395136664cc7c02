package inner

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

// forbiddenHere are refused besides, because only this architecture has them.
var forbiddenHere = []uint32{unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_USELIB, unix.SYS__SYSCTL, unix.SYS_MODIFY_LDT}

// old are the forms of calls that newer architectures no longer have.
func (p *assembler) old() {
	p.call(unix.SYS_CHMOD, unix.EPERM, some(1, setID))
	p.call(unix.SYS_OPEN, unix.EPERM, some(1, creating), some(2, setID))
	p.call(unix.SYS_CREAT, unix.EPERM, some(1, setID))
	p.call(unix.SYS_MKNOD, unix.EPERM, some(1, setID))
}
