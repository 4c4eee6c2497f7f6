package testbed

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

const (
	// innerEnv marks the second run of the test binary, the one inside the namespaces.
	innerEnv = "ZRE_TESTBED_INNER"
	// scratch is a folder for files that tests share and no other process sees: a tmpfs of this process.
	scratch = "/run/testbed"
)

// runSeparated is Main without the exit.
func runSeparated(m *testing.M) int {
	Sandbox()
	if os.Getenv(innerEnv) != "" {
		return inner(m)
	}
	for _, arg := range os.Args {
		if strings.HasPrefix(arg, "-test.fuzz") { // the fuzzer's workers need the file descriptors that outer uses
			separation = "network namespaces: not while fuzzing"
			return m.Run()
		}
	}
	flags := []uintptr{syscall.CLONE_NEWUSER}
	if os.Geteuid() == 0 {
		flags = []uintptr{0, syscall.CLONE_NEWUSER} // root of a container may be allowed either
	}
	var failures error
	for _, flag := range flags {
		code, err := outer(flag | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS)
		if err == nil {
			return code
		}
		failures = errors.Join(failures, err)
	}
	separation = "network namespaces: " + strings.ReplaceAll(failures.Error(), "\n", "; ")
	return m.Run()
}

// outer runs the test binary in new namespaces and returns its exit code, or an error if it could not even start.
func outer(flags uintptr) (int, error) {
	runtime.LockOSThread() // the child dies with the thread that started it, see Pdeathsig
	defer runtime.UnlockOSThread()
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	report, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer report.Close()
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), innerEnv+"=1")
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	if flags&syscall.CLONE_NEWUSER != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)
	defer signal.Reset()
	err = cmd.Start()
	w.Close()
	if err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case s := <-signals:
				_ = cmd.Process.Signal(s)
			case <-ended:
				return
			}
		}
	}()
	trouble, _ := io.ReadAll(report)
	_ = cmd.Wait() // a failure shows in the state
	if len(trouble) > 0 {
		return 0, errors.New(string(trouble))
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		fmt.Fprintln(os.Stderr, "testbed: the tests were ended by a signal:", status.Signal())
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

// inner prepares the new namespaces and runs the tests in them.
func inner(m *testing.M) int {
	os.Unsetenv(innerEnv)
	syscall.CloseOnExec(3)
	report := os.NewFile(3, "report")
	if err := prepareNamespace(); err != nil {
		fmt.Fprint(report, err)
		return 1
	}
	report.Close()
	separation = ""
	return m.Run()
}

// prepareNamespace makes a bare pair of namespaces usable: lo is up, and /run (where ip keeps the names of namespaces) is a private, empty file
// system.
func prepareNamespace() error {
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := syscall.Mount("testbed", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mounting a tmpfs on /run: %w", err)
	}
	folders := []string{"/run/netns", filepath.Join(scratch, "tmp")}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); strings.HasPrefix(dir, "/run/") {
		folders = append(folders, dir)
	}
	for _, dir := range folders {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	_, err := ip("link", "set", "lo", "up")
	return err
}

// ip runs the tool of that name and returns its output; the error has its error output.
func ip(args ...string) (string, error) {
	path, err := ipTool()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(path, args...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return string(out), nil
}

// ipTool also finds ip if it is not in the PATH of ordinary users.
func ipTool() (string, error) {
	for _, name := range []string{"ip", "/usr/sbin/ip", "/sbin/ip"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("the tool ip is missing (package iproute2)")
}
