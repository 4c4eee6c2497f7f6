package zre_test

import (
	"context"
	"errors"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// packageDoc is the documentation of package zre.
func packageDoc(t *testing.T) *doc.Package {
	t.Helper()
	set := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(set, files, "github.com/go-zre/go-zre/zre")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var errorName = regexp.MustCompile(`\b(Err[A-Z]\w+|\w+Error)\b\*?`)

// errorTable reads the table of the package documentation: the errors of each call.
func errorTable(t *testing.T, text string) map[string][]string {
	t.Helper()
	_, text, _ = strings.Cut(text, "# Errors\n")
	text, _, ok := strings.Cut(text, "What to do:")
	if !ok {
		t.Fatal("the documentation has no table of errors")
	}
	table := make(map[string][]string)
	var calls []string
	for line := range strings.Lines(text) {
		row, isRow := strings.CutPrefix(line, "\t")
		if !isRow {
			continue
		}
		names, list, _ := strings.Cut(row, "  ")
		found := errorName.FindAllString(list, -1)
		if found == nil {
			t.Errorf("a row without errors: %q", row)
			continue
		}
		if names := strings.FieldsFunc(names, func(r rune) bool { return r == ' ' || r == ',' }); len(names) > 0 {
			calls = names
		}
		for _, call := range calls {
			table[call] = append(table[call], found...)
		}
	}
	return table
}

// The table lists every error that the package declares and every call that returns one, and says what to do about each.
func TestErrorTableIsComplete(t *testing.T) {
	p := packageDoc(t)
	table := errorTable(t, p.Doc)
	_, advice, _ := strings.Cut(p.Doc, "What to do:")
	advice, _, _ = strings.Cut(advice, "\n# ")
	in := make(map[string]bool)
	for _, list := range table {
		for _, name := range list {
			in[strings.TrimSuffix(name, "*")] = true
		}
	}
	var declared []string
	for _, v := range p.Vars {
		for _, name := range v.Names {
			if strings.HasPrefix(name, "Err") {
				declared = append(declared, name)
			}
		}
	}
	for _, typ := range p.Types {
		if strings.HasSuffix(typ.Name, "Error") && typ.Name != "PeerError" { // the star in the table stands for these
			declared = append(declared, typ.Name)
		}
	}
	for _, name := range declared {
		if !in[name] {
			t.Errorf("the table has no %s", name)
		}
		if !strings.Contains(advice, name) && !strings.HasPrefix(name, "ErrInvalid") {
			t.Errorf("the table does not say what to do about %s", name)
		}
	}
	for name := range in {
		if !slices.Contains(declared, name) {
			t.Errorf("the table has %s, which is not declared", name)
		}
	}
	calls := make(map[string]*doc.Func)
	for _, typ := range p.Types {
		switch typ.Name {
		case "Node":
			for _, f := range append(typ.Methods, typ.Funcs...) {
				calls[f.Name] = f
			}
		case "Request", "PendingReply", "Workers":
			for _, f := range typ.Methods {
				calls[typ.Name+"."+f.Name] = f
			}
		}
	}
	if len(calls) < 50 {
		t.Fatalf("%d calls", len(calls))
	}
	for name := range table {
		if calls[name] == nil {
			t.Errorf("the table has %s, which is no call", name)
		}
	}
	for called, f := range calls {
		fails := false
		if results := f.Decl.Type.Results; results != nil {
			for _, r := range results.List {
				if name, ok := r.Type.(*ast.Ident); ok && name.Name == "error" {
					fails = true
				}
			}
		}
		if _, has := table[called]; has != fails && called != "Dump" { // its error is that of the writer
			t.Errorf("%s: in the table %t, returns an error %t", called, has, fails)
		}
	}
}

// goodCalls are calls with valid values.
var goodCalls = map[string]func(ctx context.Context, n *zre.Node, peer uuid.UUID) error{
	"Start":         func(ctx context.Context, n *zre.Node, _ uuid.UUID) error { return n.Start(ctx) },
	"Join":          func(_ context.Context, n *zre.Node, _ uuid.UUID) error { return n.Join("G") },
	"Contest":       func(_ context.Context, n *zre.Node, _ uuid.UUID) error { return n.Contest("G") },
	"Leave":         func(_ context.Context, n *zre.Node, _ uuid.UUID) error { return n.Leave("G") },
	"SetState":      func(_ context.Context, n *zre.Node, _ uuid.UUID) error { return n.SetState(zre.StateError) },
	"SetHeader":     func(_ context.Context, n *zre.Node, _ uuid.UUID) error { return n.SetHeader("k", "v") },
	"RemoveHeader":  func(_ context.Context, n *zre.Node, _ uuid.UUID) error { return n.RemoveHeader("k") },
	"Whisper":       func(ctx context.Context, n *zre.Node, p uuid.UUID) error { return n.Whisper(ctx, p, []byte("x")) },
	"WhisperNoCopy": func(ctx context.Context, n *zre.Node, p uuid.UUID) error { return n.WhisperNoCopy(ctx, p, []byte("x")) },
	"Shout":         func(ctx context.Context, n *zre.Node, _ uuid.UUID) error { return n.Shout(ctx, "G", []byte("x")) },
	"ShoutNoCopy":   func(ctx context.Context, n *zre.Node, _ uuid.UUID) error { return n.ShoutNoCopy(ctx, "G", []byte("x")) },
	"ShoutTo": func(ctx context.Context, n *zre.Node, p uuid.UUID) error {
		return n.ShoutTo(ctx, "G", []uuid.UUID{p}, []byte("x"))
	},
	"Request": func(ctx context.Context, n *zre.Node, p uuid.UUID) error {
		_, err := n.Request(ctx, p, []byte("x"))
		return err
	},
	"StartRequest": func(ctx context.Context, n *zre.Node, p uuid.UUID) error {
		_, err := n.StartRequest(ctx, p)
		return err
	},
	"RequestAny": func(ctx context.Context, n *zre.Node, _ uuid.UUID) error {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		_, err := n.RequestAny(ctx, "G", []byte("x"))
		return err
	},
	"Workers.Request": func(ctx context.Context, n *zre.Node, _ uuid.UUID) error {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		_, err := zre.Workers{Node: n, Group: "G", Tries: 1}.Request(ctx, []byte("x"))
		return err
	},
	"Serve":            func(ctx context.Context, n *zre.Node, _ uuid.UUID) error { return n.Serve(ctx, zre.NewMux()) },
	"ForgetGossip":     func(_ context.Context, n *zre.Node, p uuid.UUID) error { return n.ForgetGossip(p) },
	"Ping":             func(ctx context.Context, n *zre.Node, p uuid.UUID) error { _, err := n.Ping(ctx, p); return err },
	"Flush":            func(ctx context.Context, n *zre.Node, p uuid.UUID) error { return n.Flush(ctx, p) },
	"SharedStats":      func(ctx context.Context, n *zre.Node, p uuid.UUID) error { _, err := n.SharedStats(ctx, p); return err },
	"WaitFor":          func(ctx context.Context, n *zre.Node, _ uuid.UUID) error { _, err := n.WaitFor(ctx, 0); return err },
	"AddPeers":         func(_ context.Context, n *zre.Node, _ uuid.UUID) error { return n.AddPeers("tcp://10.9.9.9:7") },
	"RemovePeers":      func(_ context.Context, n *zre.Node, _ uuid.UUID) error { return n.RemovePeers("tcp://10.9.9.9:7") },
	"AddSRV":           func(_ context.Context, n *zre.Node, _ uuid.UUID) error { return n.AddSRV("example.org") },
	"RemoveSRV":        func(_ context.Context, n *zre.Node, _ uuid.UUID) error { return n.RemoveSRV("example.org") },
	"ConnectGossip":    func(_ context.Context, n *zre.Node, _ uuid.UUID) error { return n.ConnectGossip("tcp://10.9.9.9:7") },
	"DisconnectGossip": func(_ context.Context, n *zre.Node, _ uuid.UUID) error { return n.DisconnectGossip("tcp://10.9.9.9:7") },
}

// sentinels maps names to errors.
var sentinels = map[string]error{
	"ErrClosed": zre.ErrClosed, "ErrStarted": zre.ErrStarted, "ErrNotStarted": zre.ErrNotStarted, "ErrUnknownPeer": zre.ErrUnknownPeer,
	"ErrPeerBusy": zre.ErrPeerBusy, "ErrUnreadEvents": zre.ErrUnreadEvents, "ErrInvalidState": zre.ErrInvalidState,
	"ErrInvalidGroup": zre.ErrInvalidGroup, "ErrInvalidName": zre.ErrInvalidName, "ErrInvalidHeader": zre.ErrInvalidHeader,
	"ErrInvalidEndpoint": zre.ErrInvalidEndpoint, "ErrInvalidDomain": zre.ErrInvalidDomain, "ErrInvalidOption": zre.ErrInvalidOption,
	"ErrTooManyGroups": zre.ErrTooManyGroups, "ErrTooManyHeaders": zre.ErrTooManyHeaders, "ErrHelloTooLarge": zre.ErrHelloTooLarge,
	"ErrListen": zre.ErrListen, "ErrTooLarge": zre.ErrTooLarge, "ErrPeerGone": zre.ErrPeerGone, "ErrNoHandler": zre.ErrNoHandler,
	"ErrTooManyRequests": zre.ErrTooManyRequests, "ErrReplied": zre.ErrReplied, "ErrStatsNotShared": zre.ErrStatsNotShared,
}

// badCalls are refused by a started node with these limits: three groups, three headers, and a HELLO of 1,000 bytes.
var badCalls = map[string]map[string]func(ctx context.Context, n *zre.Node) error{
	"Start":        {"ErrStarted": func(ctx context.Context, n *zre.Node) error { return n.Start(ctx) }},
	"Join":         groupErrors((*zre.Node).Join),
	"Contest":      groupErrors((*zre.Node).Contest),
	"Leave":        {"ErrInvalidGroup": func(_ context.Context, n *zre.Node) error { return n.Leave("") }},
	"SetState":     {"ErrInvalidState": func(_ context.Context, n *zre.Node) error { return n.SetState(zre.StateExit) }},
	"RemoveHeader": {"ErrInvalidHeader": func(_ context.Context, n *zre.Node) error { return n.RemoveHeader("") }},
	"SetHeader": {
		"ErrInvalidHeader": func(_ context.Context, n *zre.Node) error { return n.SetHeader("", "x") },
		"ErrHelloTooLarge": func(_ context.Context, n *zre.Node) error { return n.SetHeader("k", strings.Repeat("v", 1000)) },
		"ErrTooManyHeaders": func(_ context.Context, n *zre.Node) error {
			return errors.Join(n.SetHeader("1", ""), n.SetHeader("2", ""), n.SetHeader("3", ""), n.SetHeader("4", ""))
		},
	},
	"Whisper": {
		"ErrTooLarge":     func(ctx context.Context, n *zre.Node) error { return n.Whisper(ctx, uuid.New(), make([]byte, 1<<20)) },
		"ErrUnknownPeer*": func(ctx context.Context, n *zre.Node) error { return n.Whisper(ctx, uuid.New()) },
	},
	"WhisperNoCopy": {
		"ErrTooLarge": func(ctx context.Context, n *zre.Node) error {
			return n.WhisperNoCopy(ctx, uuid.New(), make([]byte, 1<<20))
		},
		"ErrUnknownPeer*": func(ctx context.Context, n *zre.Node) error { return n.WhisperNoCopy(ctx, uuid.New()) },
	},
	"Shout": {
		"ErrTooLarge":     func(ctx context.Context, n *zre.Node) error { return n.Shout(ctx, "G", make([]byte, 1<<20)) },
		"ErrInvalidGroup": func(ctx context.Context, n *zre.Node) error { return n.Shout(ctx, "") },
	},
	"ShoutNoCopy": {
		"ErrTooLarge":     func(ctx context.Context, n *zre.Node) error { return n.ShoutNoCopy(ctx, "G", make([]byte, 1<<20)) },
		"ErrInvalidGroup": func(ctx context.Context, n *zre.Node) error { return n.ShoutNoCopy(ctx, "") },
	},
	"ShoutTo": {
		"ErrTooLarge":     func(ctx context.Context, n *zre.Node) error { return n.ShoutTo(ctx, "G", nil, make([]byte, 1<<20)) },
		"ErrInvalidGroup": func(ctx context.Context, n *zre.Node) error { return n.ShoutTo(ctx, "", nil) },
	},
	"Request": {
		"ErrTooLarge": func(ctx context.Context, n *zre.Node) error {
			_, err := n.Request(ctx, n.Peers()[0].UUID, make([]byte, 1<<20))
			return err
		},
		"ErrUnknownPeer*": func(ctx context.Context, n *zre.Node) error { _, err := n.Request(ctx, uuid.New()); return err },
	},
	"StartRequest": {
		"ErrTooLarge": func(ctx context.Context, n *zre.Node) error {
			_, err := n.StartRequest(ctx, n.Peers()[0].UUID, make([]byte, 1<<20))
			return err
		},
		"ErrUnknownPeer*": func(ctx context.Context, n *zre.Node) error { _, err := n.StartRequest(ctx, uuid.New()); return err },
	},
	"RequestAny": anyErrors(func(ctx context.Context, n *zre.Node, group string, frames ...[]byte) error {
		_, err := n.RequestAny(ctx, group, frames...)
		return err
	}),
	"Workers.Request": anyErrors(func(ctx context.Context, n *zre.Node, group string, frames ...[]byte) error {
		_, err := zre.Workers{Node: n, Group: group}.Request(ctx, frames...)
		return err
	}),
	"Serve": {"ErrInvalidOption": func(ctx context.Context, n *zre.Node) error {
		return n.Serve(ctx, zre.NewMux(), zre.ServeConcurrency(0))
	}},
	"Ping":             {"ErrUnknownPeer*": func(ctx context.Context, n *zre.Node) error { _, err := n.Ping(ctx, uuid.New()); return err }},
	"Flush":            {"ErrUnknownPeer*": func(ctx context.Context, n *zre.Node) error { return n.Flush(ctx, uuid.New()) }},
	"SharedStats":      {"ErrUnknownPeer*": func(ctx context.Context, n *zre.Node) error { _, err := n.SharedStats(ctx, uuid.New()); return err }},
	"AddPeers":         {"ErrInvalidEndpoint": func(_ context.Context, n *zre.Node) error { return n.AddPeers("10.9.9.9") }},
	"RemovePeers":      {"ErrInvalidEndpoint": func(_ context.Context, n *zre.Node) error { return n.RemovePeers("10.9.9.9") }},
	"ConnectGossip":    {"ErrInvalidEndpoint": func(_ context.Context, n *zre.Node) error { return n.ConnectGossip("10.9.9.9") }},
	"DisconnectGossip": {"ErrInvalidEndpoint": func(_ context.Context, n *zre.Node) error { return n.DisconnectGossip("10.9.9.9") }},
	"AddSRV":           {"ErrInvalidDomain": func(_ context.Context, n *zre.Node) error { return n.AddSRV("a b") }},
	"RemoveSRV":        {"ErrInvalidDomain": func(_ context.Context, n *zre.Node) error { return n.RemoveSRV("a b") }},
}

func anyErrors(request func(context.Context, *zre.Node, string, ...[]byte) error) map[string]func(context.Context, *zre.Node) error {
	return map[string]func(context.Context, *zre.Node) error{
		"ErrInvalidGroup": func(ctx context.Context, n *zre.Node) error { return request(ctx, n, "") },
		"ErrTooLarge":     func(ctx context.Context, n *zre.Node) error { return request(ctx, n, "G", make([]byte, 1<<20)) },
	}
}

func groupErrors(join func(*zre.Node, string) error) map[string]func(context.Context, *zre.Node) error {
	return map[string]func(context.Context, *zre.Node) error{
		"ErrInvalidGroup": func(_ context.Context, n *zre.Node) error { return join(n, "") },
		"ErrHelloTooLarge": func(_ context.Context, n *zre.Node) error {
			if err := n.SetHeader("large", strings.Repeat("v", 800)); err != nil {
				return err
			}
			return errors.Join(join(n, strings.Repeat("g", 200)), n.RemoveHeader("large"))
		},
		"ErrTooManyGroups": func(_ context.Context, n *zre.Node) error {
			return errors.Join(join(n, "1"), join(n, "2"), join(n, "3"), join(n, "4"))
		},
	}
}

// badOptions are options that NewNode rejects.
var badOptions = map[string][]zre.Option{
	"ErrInvalidName":     {zre.WithName("a\x00")},
	"ErrInvalidHeader":   {zre.WithHeader("", "x")},
	"ErrInvalidEndpoint": {zre.WithPeers("x"), zre.WithListen("x"), zre.WithAdvertise("x"), zre.WithGossipBind("x"), zre.WithGossipConnect("x")},
	"ErrInvalidDomain":   {zre.WithSRV("a b")},
	"ErrInvalidGroup":    {zre.WithContest("")},
	"ErrTooManyGroups":   {zre.WithContest("1", "2", "3", "4")},
	"ErrTooManyHeaders":  {zre.WithHeader("4", "")},
	"ErrHelloTooLarge":   {zre.WithHeader("k", strings.Repeat("v", 1000))},
	"ErrInvalidOption": {
		zre.WithMulticastTTL(256), zre.WithTransports("tin"), zre.WithDNSServer("?"), zre.WithInterfaces("["), zre.WithBeaconInterval(1),
		zre.WithExpiredTimeout(time.Second), zre.WithLinger(-1), zre.WithUUID(uuid.Nil), zre.WithLimits(zre.Limits{Frames: -1}), zre.WithBeaconPort(-1),
		zre.WithMulticastGroup(netip.Addr{}), zre.WithShoutPolicy(9), zre.WithMulticastPort(5670),
	},
}

// Each error in the table is returned by the call beside it.
func TestErrorTable(t *testing.T) {
	table := errorTable(t, packageDoc(t).Doc)
	for call, list := range table {
		if call == "NewNode" || call == "Close" || call == "Shutdown" { // TestErrorsOfNewNode; package zretest's TestCloseTellsWhatIsLost
			continue
		}
		for _, name := range list {
			t.Run(call+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { provoke(t, call, name) })
			})
		}
	}
	for call, list := range badCalls {
		for name := range list {
			if !slices.Contains(table[call], name) {
				t.Errorf("the table does not say that %s returns %s", call, name)
			}
		}
	}
}

// provoke makes a call fail with an error.
func provoke(t *testing.T, call, name string) {
	lan := zretest.NewLAN(t)
	limits := zre.WithLimits(zre.Limits{GroupsPerPeer: 3, Headers: 3, HelloSize: 1000, MessageSize: 1 << 20, FrameSize: 100 << 10, QueueMessages: 10, EventBytes: 1 << 10, Requests: 2})
	make := func(address string, options ...zre.Option) *zre.Node {
		n, err := zre.NewNode(append(options, limits, zre.WithNetwork(lan.Host(address)), zre.WithLinger(0))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		return n
	}
	n := make("10.0.0.1", zre.WithListen("tcp://*:5671"))
	var err error
	switch {
	case name == "ErrStatsNotShared*":
		return // package zretest's TestSharedStats shows it
	case name == "ErrUnreadEvents*":
		return // package zretest's TestBothSendTooMuchInTheirLoops and TestRequestBehindUnreadEvents show it
	case ofRequests(call, name):
		err = provokeRequest(t, n, make("10.0.0.2"), call, name)
	case name == "ErrNotStarted":
		err = goodCalls[call](t.Context(), n, uuid.New())
	case name == "ErrClosed":
		n.Close()
		err = goodCalls[call](t.Context(), n, uuid.New())
	case name == "ErrListen":
		gone := lan.Host("10.0.0.9")
		other := zretest.Start(t, gone, zre.WithListen("tcp://*:5671"))
		n, _ = zre.NewNode(zre.WithNetwork(gone.Process()), zre.WithListen("tcp://*:5671"))
		err = errors.Join(n.Start(t.Context()), n.Close(), other.Close())
	case name == "ErrStatsNotShared*":
		return // package zretest's TestSharedStats shows it
	case name == "ErrPeerBusy*":
		err = provokeBusy(t, n, make("10.0.0.2"), call)
	default:
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		err = badCalls[call][name](t.Context(), n)
	}
	if name == "ReplyError" {
		if replied := (*zre.ReplyError)(nil); !errors.As(err, &replied) || replied.Text == "" || errors.Is(err, zre.ErrNoHandler) {
			t.Errorf("%s: %v", call, err)
		}
		return
	}
	var failed *zre.PeerError
	sentinel, ofPeer := strings.CutSuffix(name, "*")
	if !errors.Is(err, sentinels[sentinel]) || sentinels[sentinel] == nil || errors.As(err, &failed) != ofPeer {
		t.Errorf("%s: %v", call, err)
	}
}

// provokeBusy makes a call fail because a peer does not read.
func provokeBusy(t *testing.T, n, peer *zre.Node, call string) error {
	if err := errors.Join(peer.Join("G"), n.Start(t.Context()), peer.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	if _, err := n.WaitFor(t.Context(), 1, zre.InGroup("G")); err != nil {
		t.Fatal(err)
	}
	fill(t, n, peer)
	if call == "Ping" || call == "Flush" { // that many may be unanswered
		results := make(chan error)
		for range 101 {
			go func() { results <- goodCalls[call](t.Context(), n, peer.UUID()) }()
		}
		err := <-results
		n.Close()
		for range 100 {
			<-results
		}
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	return goodCalls[call](ctx, n, peer.UUID())
}

// fill fills the queue to a peer that reads no events.
func fill(t *testing.T, n, peer *zre.Node) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for range 10_000 {
		if err := n.Whisper(ctx, peer.UUID(), []byte(strings.Repeat("x", 50<<10))); err != nil {
			break
		}
	}
}

func TestErrorsOfNewNode(t *testing.T) {
	table := errorTable(t, packageDoc(t).Doc)["NewNode"]
	limits := zre.WithLimits(zre.Limits{GroupsPerPeer: 3, Headers: 3, HelloSize: 1000})
	three := []zre.Option{limits, zre.WithHeader("1", ""), zre.WithHeader("2", ""), zre.WithHeader("3", "")}
	for _, name := range table {
		if len(badOptions[name]) == 0 {
			t.Errorf("which option makes %s?", name)
		}
		for i, option := range badOptions[name] {
			options := []zre.Option{limits}
			if name == "ErrTooManyHeaders" {
				options = three
			}
			n, err := zre.NewNode(append(options, option)...)
			if !errors.Is(err, zre.ErrInvalidOption) || !errors.Is(err, sentinels[name]) || n != nil {
				t.Errorf("%s, option %d: %v", name, i, err)
			}
		}
	}
	if len(table) != len(badOptions) {
		t.Errorf("the table has %q", table)
	}
}
