package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// continuousPages lists pages that are one story: programs started in a block run until the page ends. On other pages they end with their block.
var continuousPages = []string{"README.md", "docs/getting-started.md"}

// longRunning matches nodes that run until they are interrupted. Their standard input stays open.
var longRunning = regexp.MustCompile(`^(sudo )?([A-Z_]+=\S+ )*(zrechat|zre (pipe|watch|on|map$|top|bench serve|sniff --interface))\b`)

// A script is the commands of a section or of a whole page.
type script struct {
	page     string
	line     int
	commands []string          // shell commands; "program NAME" starts a program, "end" ends everything started
	programs map[string]string // the source of each program
}

func scripts(t *testing.T) (list []*script) {
	t.Helper()
	for _, p := range pages(t) {
		var now *script
		last := ""
		untilPageEnd := false
		for _, name := range continuousPages {
			untilPageEnd = untilPageEnd || name == p.path
		}
		for _, b := range p.blocks {
			if now == nil || !untilPageEnd && b.section != last {
				now = &script{page: p.path, line: b.line, programs: make(map[string]string)}
				list = append(list, now)
			}
			last = b.section
			switch {
			case b.program != "":
				now.programs[b.program] = b.text
				now.commands = append(now.commands, "program "+b.program)
			case b.lang == "sh":
				now.commands = append(now.commands, commandsOf(t, b)...)
			case b.lang == "yaml":
				now.commands = append(now.commands, containers(b)...)
			case b.lang == "nft":
				now.commands = append(now.commands, "echo 'table inet t { chain c { type filter hook input priority 0;\n"+b.text+"}\n}' | nft -c -f -")
			case b.lang == "python":
				now.commands = append(now.commands, `python3 -c 'import ast, sys; ast.parse(sys.argv[1])' '`+strings.ReplaceAll(b.text, "'", `'"'"'`)+"'")
			}
			if !untilPageEnd && len(now.commands) > 0 {
				now.commands = append(now.commands, "end")
			}
		}
	}
	return list
}

// commandsOf returns the lines of a block, and joins lines that end in a backslash with the next.
func commandsOf(t *testing.T, b block) (list []string) {
	t.Helper()
	text := strings.ReplaceAll(b.text, "\\\n", "")
	for i, l := range strings.Split(strings.TrimSpace(text), "\n") {
		if regexp.MustCompile(`(^|\s)#`).MatchString(l) {
			t.Errorf("%s:%d: a comment, which zsh does not take at its prompt: %s", b.page, b.line+i, l)
		}
		if name, ok := strings.CutPrefix(l, "go run ./cmd/"); ok { // the section runs elsewhere: use the program built from the checkout
			if _, err := os.Stat(filepath.Join(testbed.Root(), "cmd", strings.Fields(name)[0])); err != nil {
				t.Errorf("%s:%d: %v", b.page, b.line+i, err)
			}
			l = name
		}
		if why := whyNotRun(l); why != "" {
			t.Logf("%s:%d: not run, since %s: %s", b.page, b.line+i, why, l)
			l = ": || " + l // only check its syntax
		}
		list = append(list, l)
	}
	return list
}

// containers returns the zre commands in a manifest: lists after "command:" or "args:".
func containers(b block) (list []string) {
	for _, m := range regexp.MustCompile(`(?m)^ *(?:command|args): \[(.*)\]`).FindAllStringSubmatch(b.text, -1) {
		command := "zre"
		for word := range strings.SplitSeq(m[1], ", ") {
			if word = strings.Trim(word, `"`); strings.Contains(word, "*") {
				word = "'" + word + "'"
			}
			command += " " + word
		}
		list = append(list, command)
	}
	return list
}

// Each command runs without error in bash and in zsh, in a network namespace.
func TestCommands(t *testing.T) {
	tools := t.TempDir()
	release := publish(t)
	build := exec.Command("go", "install", ours+"/cmd/zre@latest", ours+"/cmd/zrechat@latest")
	build.Env = append(append(os.Environ(), release...), "GOBIN="+tools)
	build.Dir = tools
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	addWrappers(t, tools)
	for _, shell := range []string{"bash", "zsh"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(shell)
			if err != nil {
				testbed.Missing(t, "%s (testdata/peers/debian.sh installs it)", shell)
			}
			var running sync.WaitGroup
			defer running.Wait()
			places := make(chan struct{}, 4) // they mostly wait
			for _, s := range scripts(t) {
				if len(s.commands) == 0 {
					continue
				}
				places <- struct{}{}
				running.Go(func() {
					defer func() { <-places }()
					t.Run(strings.ReplaceAll(s.page, "/", "_")+fmt.Sprint("_", s.line), func(t *testing.T) { s.run(t, path, tools, release) })
				})
			}
		})
	}
}

// addWrappers adds replacements for commands of a reader's machine: a sudo, and a go that knows where the clone is.
func addWrappers(t *testing.T, tools string) {
	t.Helper()
	script := func(name, text string) {
		write(t, filepath.Join(tools, name), text)
		if err := os.Chmod(filepath.Join(tools, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script("sudo", "#!/bin/sh\nexec \"$@\"\n")
	real, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	script("go", fmt.Sprintf(`#!/bin/sh
case "$1 ${2:-}" in
"install ./cmd/"*) # in a clone
	exec %s -C %s "$@" ;;
"get "*)
	[ -f go.mod ] || %[1]s mod init example.com/reader || exit # the reader's module, which the page does not make
	;;
esac
exec %[1]s "$@"
`, real, testbed.Root()))
}

// run runs a story in its own namespace, beside a node named companion.
func (s *script) run(t *testing.T, shell, tools string, release []string) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "programs")
	for name, text := range s.programs {
		write(t, filepath.Join(bin, name+".go"), text)
	}
	script := new(strings.Builder)
	script.WriteString(`set -eu
pids=
lasts() { pids="$pids $1"; } # PID
finish() {
	[ -n "$pids" ] || return 0
	sleep 1.5
	for p in $(echo $pids); do
		kill $p 2>/dev/null || true
		code=0
		wait $p || code=$?
		case $code in
		0 | 143) ;; # 143: it was too early, on a busy machine
		*) echo "a program that should last ended with $code"; exit 1 ;;
		esac
	done
	pids=
}
`)
	made := ""
	for _, command := range s.commands {
		command = strings.ReplaceAll(command, "/etc/zre/", dir+"/etc/")
		made += command
		name, isProgram := strings.CutPrefix(command, "program ")
		switch {
		case command == "end":
			script.WriteString("finish\n")
		case isProgram:
			// As the reader does it: save the program and build it in the module that the page made.
			fmt.Fprintf(script, "mkdir %[2]s\ncp %[1]s/%[2]s.go %[2]s/main.go\ngo build -o %[1]s/%[2]s ./%[2]s\n%[1]s/%[2]s <%[3]s/hold &\nlasts $!\n", bin, name, dir)
		case longRunning.MatchString(command) && !strings.Contains(command, "|"):
			assignments := regexp.MustCompile(`^([A-Z_]+=\S+ )*`).FindString(command)
			fmt.Fprintf(script, "(%sexec %s) <%s/hold &\nlasts $!\n", assignments, strings.TrimPrefix(command, assignments), dir)
		default:
			fmt.Fprintf(script, "%s\n", command)
		}
	}
	script.WriteString("finish\n")
	write(t, filepath.Join(dir, "story"), script.String())
	setUp := `set -eu
ip link set lo up
for i in eth0:192.168.1.7/24 eth1:10.1.0.7/16 wg0:10.8.0.2/24; do
	ip link add ${i%%:*} type veth peer name far${i%%:*}
	ip link set far${i%%:*} up
	ip addr add ${i#*:} dev ${i%%:*}
	ip link set ${i%%:*} up
done
mkfifo hold
exec 9<>hold
zre pipe --name companion --group CHAT <hold >companion.log 2>&1 9>&- & # on the interfaces that all use
companion=$!
cd "$1"
`
	if !strings.Contains(made, "zre keygen") {
		setUp += `mkdir -p etc/keys
zre keygen exhibition >/dev/null
zre keygen etc/exhibition >/dev/null
zre keygen etc/camera >/dev/null
cp etc/camera etc/keys
`
	}
	setUp += `status=0
"$2" story 9>&- || status=$?
kill $companion
wait $companion || true
exit $status
`
	unshare := []string{"-n", "-p", "-f", "--kill-child", "--mount-proc"}
	if os.Geteuid() != 0 {
		unshare = append([]string{"-r"}, unshare...)
	}
	if out, err := exec.Command("unshare", append(unshare, "true")...).CombinedOutput(); err != nil {
		testbed.Missing(t, "network namespaces: unshare: %v: %s", err, out)
	}
	shellFlags := shell
	c := exec.CommandContext(t.Context(), "unshare", append(unshare, "timeout", "300", "sh", "-c", setUp, "sh", dir, shellFlags)...)
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"), "HOME="+dir, "GOBIN="+filepath.Join(dir, "bin"), "GOCACHE="+goenv(t, "GOCACHE"), "XDG_CONFIG_HOME="+filepath.Join(dir, ".config"))
	c.Env = append(c.Env, release...)
	write(t, filepath.Join(dir, ".config/zre/config.toml"), "[networks.rig-a]\nport = 5700\n")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("%s:%d: in %s: %v\n%s\n--- the script:\n%s", s.page, s.line, filepath.Base(shell), err, out, script)
	} else if testing.Verbose() {
		t.Logf("%s", out)
	}
}

func goenv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
