package testbed

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sandboxEnv makes the test binary become the program that its arguments name, without netlink.
const sandboxEnv = "ZRE_TESTBED_SANDBOX"

// Sandboxed is Command for a program that must not use netlink, as under systemd's RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX: a
// seccomp filter refuses such a socket. The program inherits the filter, and so do those that it runs.
func (h *Host) Sandboxed(name string, args ...string) *exec.Cmd {
	h.t.Helper()
	self, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := h.Command(self, append([]string{path}, args...)...)
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, sandboxEnv+"=1")
	return cmd
}

// Sandbox becomes the program in the arguments, without netlink, if [Host.Sandboxed] has started this process. Main calls it; a TestMain
// that does something before Main calls Sandbox first.
func Sandbox() {
	if os.Getenv(sandboxEnv) == "" {
		return
	}
	os.Unsetenv(sandboxEnv)
	err := ForbidNetlink()
	if err == nil {
		err = unix.Exec(os.Args[1], os.Args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, "testbed: sandbox:", err)
	os.Exit(125)
}

// ForbidNetlink makes the kernel refuse netlink sockets to this process from now on, with EAFNOSUPPORT.
func ForbidNetlink() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const nr, family = 0, 16 // in struct seccomp_data: the call, and the lower half of its first argument
	low := uint32(family)
	if isBigEndian() {
		low += 4
	}
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: nr},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 0, Jf: 3, K: unix.SYS_SOCKET},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: low},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 0, Jf: 1, K: unix.AF_NETLINK},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EAFNOSUPPORT)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	// For all threads: Go moves goroutines between them.
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&filter)))
	runtime.KeepAlive(program)
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return nil
}

func isBigEndian() bool {
	one := uint16(1)
	return *(*byte)(unsafe.Pointer(&one)) == 0
}
