package docs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/testbed"
	"github.com/go-zre/go-zre/zre"
)

// timeout reads a default from the source of package node, whose configuration is not exported.
func timeout(t *testing.T, pattern string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testbed.Root(), "node", "config.go"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(pattern + `(\d+) \* time\.Second`).FindStringSubmatch(string(text))
	if m == nil {
		t.Fatalf("node/config.go has no %s", pattern)
	}
	return m[1] + " s"
}

// thousands formats 10000 as 10,000.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func mib(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

// Figures and defaults in the pages match the code. Each pattern has one group, the figure. It must match in at least one page, and each
// match must be right.
func TestFigures(t *testing.T) {
	node, err := zre.NewNode()
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	l := node.Stats().Limits
	expired, evasive := timeout(t, `"expired timeout", `), timeout(t, `"evasive timeout", `)
	send, linger := timeout(t, `"send timeout", `), timeout(t, `c\.Linger = `)
	silent, err := strconv.Atoi(strings.TrimSuffix(evasive, " s"))
	if err != nil {
		t.Fatal(err)
	}
	const size = `([\d,]+ [MK]iB)`
	const time = `([\d,]+ m?s)`
	for _, c := range []struct{ pattern, want string }{
		{`\(([\d,]+) messages or [\d,]+ MiB\)`, thousands(l.QueueMessages)},
		{`\([\d,]+ messages or ` + size + `\)`, mib(l.QueueBytes)},
		{"`TotalQueueBytes` \\| " + size, mib(l.TotalQueueBytes)},
		{"`QueueMessages`, `QueueBytes` \\| ([\\d,]+);", thousands(l.QueueMessages)},
		{"`QueueMessages`, `QueueBytes` \\| [\\d,]+; " + size, mib(l.QueueBytes)},
		{"`Events`, `EventBytes` \\| ([\\d,]+);", thousands(l.Events)},
		{"`Events`, `EventBytes` \\| [\\d,]+; " + size, mib(l.EventBytes)},
		{"`PartialBytes` \\| " + size, mib(l.PartialBytes)},
		{"`MessageSize`, `Frames` \\| " + size, mib(l.MessageSize)},
		{"`MessageSize`, `Frames` \\| [\\d,]+ MiB; ([\\d,]+)", thousands(l.Frames)},
		{"`GroupsPerPeer` \\| ([\\d,]+)", thousands(l.GroupsPerPeer)},
		{"`Peers` \\| ([\\d,]+)", thousands(l.Peers)},
		{"`Handshakes`, `HandshakesPerAddress` \\| ([\\d,]+);", thousands(l.Handshakes)},
		{"`Handshakes`, `HandshakesPerAddress` \\| [\\d,]+; ([\\d,]+)", thousands(l.HandshakesPerAddress)},
		{`up to ` + size + ` a message`, mib(l.MessageSize)},
		{`[\d,]+ MiB a message, ([\d,]+) frames`, thousands(l.Frames)},
		{`default limit is ([\d,]+) peers`, thousands(l.Peers)},
		{`([\d,]+) peers is the default limit`, thousands(l.Peers)},
		{`expired timeout \(` + time + `\)`, expired},
		{`expire after ` + time + ` of silence`, expired},
		{`up to ` + time + ` of silence`, expired},
		{`evasive timeout \(` + time + `\)`, evasive},
		{`after ` + time + ` it gets .Silent.`, fmt.Sprint(2*silent, " s")},
		{`send timeout \(` + time + `\)`, send},
		{`linger time[ (]*\(?` + time + `\)`, linger},
		{`UDP port of the beacons \(default (\d+)\)`, strconv.Itoa(beacon.DefaultPort)},
		{`\| (\d+) \| UDP, broadcast`, strconv.Itoa(beacon.DefaultPort)},
		{`\| (\d+) \| UDP, multicast`, strconv.Itoa(beacon.DefaultPort + 10_000)},
		{`UDP, multicast to ([\d.]+)`, beacon.DefaultGroup},
		{`UDP, multicast to [\d.]+ and ([\da-f:]+)`, beacon.DefaultGroup6},
	} {
		found := 0
		for _, p := range pages(t) {
			if p.path == "CHANGELOG.md" {
				continue
			}
			for _, m := range regexp.MustCompile(c.pattern).FindAllStringSubmatch(strings.ReplaceAll(p.text, "\n", " "), -1) {
				found++
				if m[1] != c.want {
					t.Errorf("%s: %q: it is %s", p.path, m[0], c.want)
				}
			}
		}
		if found == 0 {
			t.Errorf("no page has %s (%s)", c.pattern, c.want)
		}
	}
}

// The Go version in the pages is that of go.mod.
func TestGoVersion(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(testbed.Root(), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(mod))[1]
	for _, p := range pages(t) {
		for _, m := range regexp.MustCompile(`\bGo (1\.\d+)`).FindAllStringSubmatch(p.text, -1) {
			if m[1] != want && !strings.Contains(p.text, "from Go "+m[1]) {
				t.Errorf("%s: Go %s; go.mod has %s", p.path, m[1], want)
			}
		}
	}
}

// The pages give the right values of unexported constants.
func TestConstants(t *testing.T) {
	for _, c := range []struct{ page, pattern, file, constant string }{
		{"networks", `looked up again every (\d+) s`, "internal/discovery/host.go", `hostFresh = (\d+) \* time\.Second`},
		{"networks", `TTL of the records ends, after (\d+) s at least`, "internal/srv/watcher.go", `minWait +=  ?(\d+) \* time\.Second`},
		{"networks", `again after 0\.5 s, then less often, up to every (\d+) s`, "internal/srv/watcher.go", `minWait +=  ?(\d+) \* time\.Second`},
		{"networks", `leads to no peer for (\d+) s`, "internal/srv/watcher.go", `emptyFor = (\d+) \* time\.Second`},
		{"networks", `only every (\d+) s while nothing changes`, "beacon/calm.go", `calmPause = (\d+) \* time\.Second`},
		{"sniff", `follows ([\d,]+) connections`, "internal/sniff/sniffer.go", `maxStreams +=  ?(\d+)`},
		{"sniff", `at most (\d+) MiB of messages`, "internal/sniff/zmtp.go", `heldBytes +=  ?(\d+) << 20`},
		{"sniff", `(\d+) bytes of each frame of content`, "internal/sniff/zmtp.go", `keptContent = (\d+)`},
		{"protocol", `Of changes within (\d+) ms only the last one is sent`, "beacon/agent.go", `stateGap += (\d+) \* time\.Millisecond`},
		{"protocol", `times each, (\d+) ms apart`, "beacon/agent.go", `farewellGap = (\d+) \* time\.Millisecond`},
		{"protocol", `at once, and (\d+) and 300 ms later`, "beacon/agent.go", `firstPauses = .*\{(\d+) \* time\.Millisecond`},
		{"protocol", `nothing has changed for (\d+) s and the node has peers`, "node/calm.go", `calmAfter = (\d+) \* time\.Second`},
		{"protocol", `The others are sent every (\d+) s`, "beacon/calm.go", `calmPause = (\d+) \* time\.Second`},
		{"protocol", `For (\d+) ms it ignores beacons`, "internal/paths/departures.go", `rememberedFor = (\d+) \* time\.Millisecond`},
		{"protocol", `how many peers are listed, at most (\d+)`, "msg/figures.go", `MaxFiguresPeers = (\d+)`},
		{"protocol", `after (\d+) s if there is still no answer`, "node/sharedstats.go", `statsRetry += (\d+) \* time\.Second`},
		{"protocol", `within (\d+) ms to 2 s, by the length of the round trip`, "node/rival.go", `shortestRivalGrace = (\d+) \* time\.Millisecond`},
		{"protocol", `within 300 ms to (\d+) s, by the length of the round trip`, "node/rival.go", `longestRivalGrace += (\d+) \* time\.Second`},
		{"protocol", `tried in turn, at least (\d+) ms each`, "node/secure.go", `hintTime = (\d+) \* time\.Millisecond`},
		{"protocol", `a \*head\* of (\d+) octets`, "internal/request/request.go", `HeadSize = (\d+)`},
		{"protocol", `sends PING every (\d+) ms`, "internal/gossip/gossip.go", `pingEvery += (\d+) \* time\.Millisecond`},
		{"protocol", `publishes its own tuples again every (\d+) s`, "internal/gossip/gossip.go", `refreshEvery += (\d+) \* time\.Second`},
		{"protocol", `A hub takes ([\d,]+) tuples`, "internal/gossip/gossip.go", `c\.Limits\.Tuples, (\d+)`},
		{"protocol", `tuples, ([\d,]+) from one address`, "internal/gossip/gossip.go", `c\.Limits\.TuplesPerAddress, (\d+)`},
		{"protocol", `values of at most ([\d,]+) octets`, "internal/gossip/gossip.go", `c\.Limits\.ValueSize, (\d+)`},
		{"protocol", `a READY over (\d+) KiB`, "internal/zmtp/limits.go", `orDefault\(l\.CommandSize, (\d+)<<10\)`},
		{"protocol", `a handshake, or then a HELLO, of more than (\d+) s`, "node/network.go", `handshakeTimeout = (\d+) \* time\.Second`},
		{"protocol", `a header value over (\d+) KiB`, "msg/limits.go", `LongString: (\d+) << 10`},
		{"architecture", `\| the dial \((\d+) s\)`, "node/network.go", `dialTimeout = (\d+) \* time\.Second`},
		{"architecture", `the handshake \((\d+) s\), the back-off`, "node/network.go", `handshakeTimeout = (\d+) \* time\.Second`},
		{"architecture", `whose events are handled, (\d+) at most`, "zre/serve.go", `defaultConcurrency = (\d+)`},
		{"architecture", `With back-off \((\d+) ms to 5 s`, "node/network.go", `minBackoff  = (\d+) \* time\.Millisecond`},
		{"architecture", `Host names are looked up every (\d+) s`, "internal/discovery/host.go", `hostFresh = (\d+) \* time\.Second`},
		{"architecture", `events waiting for a subscriber \| (\d+)`, "zre/subscribe.go", `defaultBuffer = (\d+)`},
		{"architecture", `in the log .*?\| (\d+) a second`, "node/panics.go", `panicsPerSecond = (\d+)`},
		{"architecture", `requests to refuse, with .WithSendOnly. \| (\d+)`, "node/replies.go", `maxUnwanted = (\d+)`},
		{"architecture", `events of membership \| ([\d,]+) more`, "internal/eventqueue/queue.go", `membershipEvents = ([\d_]+)`},
		{"architecture", `\| problems \| (\d+) \|`, "node/problems.go", `maxProblems = (\d+)`},
		{"architecture", `candidate addresses \| 4,096; (\d+) tried at a time`, "internal/discovery/seeker.go", `maxProbes = (\d+)`},
		{"architecture", `listed as problems \| (\d+), 10 min`, "node/secure.go", `maxRefused = (\d+)`},
		{"architecture", `answers to a foreign member's ELECTs \| one each (\d+) ms`, "internal/election/wave.go", `answerGrace = (\d+) \* time\.Millisecond`},
		{"reliability", `until it did not fail for (\d+) s`, "node/accepting.go", `acceptQuiet = (\d+) \* time\.Second`},
		{"reliability", `After (\d+) s without one a .Problem. \(DNS\)`, "internal/srv/watcher.go", `emptyFor = (\d+) \* time\.Second`},
		{"reliability", `lasted less than (\d+) s a`, "node/actions.go", `shortSession = (\d+) \* time\.Second`},
		{"reliability", `Peers expire after (\d+) s`, "internal/faultmatrix/member_test.go", `expired = (\d+) \* time\.Second`},
		{"reliability", `that within (\d+) s every node sees`, "internal/faultmatrix/cell_test.go", `convergeTimeout = (\d+) \* time\.Second`},
		{"interop", `gets (\d+) ms to send it`, "node/actions.go", `farewellGrace = (\d+) \* time\.Millisecond`},
		{"performance", `A node has (\d+) such calls`, "node/duplex.go", `maxCalls = (\d+)`},
		{"performance", `no more than (\d+) MiB are kept`, "internal/memory/shelf.go", `maxShelfBytes = (\d+) << 20`},
	} {
		page := read(t, "docs/"+c.page+".md")
		code := read(t, c.file)
		told := regexp.MustCompile(c.pattern).FindStringSubmatch(strings.Join(strings.Fields(page), " "))
		is := regexp.MustCompile(c.constant).FindStringSubmatch(code)
		if told == nil || is == nil {
			t.Errorf("docs/%s.md has %s: %v; %s has %s: %v", c.page, c.pattern, told != nil, c.file, c.constant, is != nil)
		} else if strings.ReplaceAll(told[1], ",", "") != strings.ReplaceAll(is[1], "_", "") {
			t.Errorf("docs/%s.md: %q; %s: %q", c.page, told[0], c.file, is[0])
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testbed.Root(), path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The costs of a peer and of a hundred nodes are those that make bench measured last.
func TestMeasuredCosts(t *testing.T) {
	var rows []struct {
		Name string  `json:"name"`
		Ours float64 `json:"ours"`
	}
	if err := json.Unmarshal([]byte(read(t, "docs/performance.json")), &rows); err != nil {
		t.Fatal(err)
	}
	measured := make(map[string]float64)
	for _, r := range rows {
		measured[r.Name] = r.Ours
	}
	for _, c := range []struct{ pattern, row string }{
		{`(?:about|idle peer \|) (\d+) KiB(?: of memory)?,? and`, "peer/memory"},
		{`(\d+) MiB and \d+ % of a core`, "mesh/100/resident"},
		{`\d+ MiB and (\d+) % of a core`, "mesh/100/idle"},
		{`about (\d+) µs a second`, "peer/idle"},
	} {
		found := 0
		for _, p := range pages(t) {
			for _, m := range regexp.MustCompile(c.pattern).FindAllStringSubmatch(strings.ReplaceAll(p.text, "\n", " "), -1) {
				found++
				told, err := strconv.ParseFloat(m[1], 64)
				if err != nil {
					t.Fatal(err)
				}
				if is := measured[c.row]; told < 0.8*is || told > 1.25*is {
					t.Errorf("%s: %q; measured: %g", p.path, m[0], is)
				}
			}
		}
		if found == 0 {
			t.Errorf("no page has %s (%s)", c.pattern, c.row)
		}
	}
}
