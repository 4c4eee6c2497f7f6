package examples_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

// program is an example that runs on a host.
type program struct {
	t     *testing.T
	name  string
	cmd   *exec.Cmd
	input io.WriteCloser
	lines chan string // of its output; those of standard error begin with "! "
	seen  []string    // that sees has not returned
	all   []string
}

// start runs an example. It is killed at the end of the test, if it still runs.
func start(t *testing.T, host *testbed.Host, bin, example string, args ...string) *program {
	t.Helper()
	p := &program{t: t, name: example + " " + strings.Join(args, " "), lines: make(chan string, 1000)}
	p.cmd = host.Command(filepath.Join(bin, example), args...)
	input, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.input = input
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	readers.Go(func() { p.read(stdout, "") })
	readers.Go(func() { p.read(stderr, "! ") })
	go func() {
		readers.Wait()
		close(p.lines)
	}()
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Cancel()
			for range p.lines {
			}
			_ = p.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("%s:\n  %s", p.name, strings.Join(p.all, "\n  "))
		}
	})
	return p
}

// read takes lines; one may be written over, by a carriage return.
func (p *program) read(r io.Reader, mark string) {
	scanner := bufio.NewScanner(r)
	scanner.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		if i := bytes.IndexAny(data, "\r\n"); i >= 0 {
			return i + 1, data[:i], nil
		}
		if atEOF && len(data) > 0 {
			return len(data), data, nil
		}
		return 0, nil, nil
	})
	for scanner.Scan() {
		if scanner.Text() != "" {
			p.lines <- mark + scanner.Text()
		}
	}
}

func (p *program) types(line string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.input, line); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// sees waits for a line that begins with a text, and returns it. Each line is returned once.
func (p *program) sees(text string) string {
	p.t.Helper()
	line, ok := p.either(text)
	if !ok {
		p.t.Fatalf("%s: no line %q", p.name, text)
	}
	return line
}

// either is sees for a line that begins with one of several texts; ok is false if there is none until the program ends.
func (p *program) either(texts ...string) (line string, ok bool) {
	p.t.Helper()
	matches := func(line string) bool {
		return slices.ContainsFunc(texts, func(text string) bool { return strings.HasPrefix(line, text) })
	}
	if i := slices.IndexFunc(p.seen, matches); i >= 0 {
		line := p.seen[i]
		p.seen = slices.Delete(p.seen, i, i+1)
		return line, true
	}
	for deadline := time.After(testbed.Patience); ; {
		select {
		case line, ok := <-p.lines:
			if !ok {
				return "", false
			}
			p.all = append(p.all, line)
			if matches(line) {
				return line, true
			}
			p.seen = append(p.seen, line)
		case <-deadline:
			p.t.Fatalf("%s: none of the lines %q in time", p.name, texts)
		}
	}
}

// saw tells whether the program has printed a line that begins with a text, after it has ended.
func (p *program) saw(text string) bool {
	return slices.ContainsFunc(p.all, func(line string) bool { return strings.HasPrefix(line, text) })
}

// ends waits for the end of the program, which must have an exit status.
func (p *program) ends(status int) *program {
	p.t.Helper()
	for deadline := time.After(testbed.Patience); ; {
		select {
		case line, ok := <-p.lines:
			if ok {
				p.all, p.seen = append(p.all, line), append(p.seen, line)
				continue
			}
		case <-deadline:
			p.t.Fatalf("%s: it does not end", p.name)
		}
		break
	}
	_ = p.cmd.Wait() // how it ended is in the state
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		p.t.Errorf("%s: exit status %d, want %d", p.name, got, status)
	}
	return p
}

// gets sends a signal.
func (p *program) gets(signal syscall.Signal) *program {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	return p
}

// wrong is a call of an example that must fail, with an exit status and a line that contains a text.
type wrong struct {
	example string
	args    []string
	status  int
	text    string
}

func (w wrong) check(t *testing.T, host *testbed.Host, bin string) {
	t.Helper()
	p := start(t, host, bin, w.example, w.args...).ends(w.status)
	if !slices.ContainsFunc(p.all, func(line string) bool { return strings.HasPrefix(line, "! ") && strings.Contains(line, w.text) }) {
		t.Errorf("%s: it does not say %q", p.name, w.text)
	}
}

// build builds the examples as a module of their own, and returns the folder of the programs.
func build(t *testing.T) string {
	t.Helper()
	bin := t.TempDir() + string(os.PathSeparator)
	inModule(t, outside(t), "build", "-o", bin, "./...")
	return bin
}
