//go:build linux

package interop

import (
	"context"
	"fmt"
	"testing"

	"github.com/go-zre/go-zre/internal/sniff"
	"github.com/go-zre/go-zre/internal/testbed"
)

// A node whose headers change tells its own kind with HEADERS, which other implementations never get: they see the change in the next HELLO, lose
// no message, and do not lose the node.
func TestChangingHeaders(t *testing.T) {
	if ours != testbed.Zre {
		t.Skip("the headers of other implementations do not change")
	}
	lan := testbed.NewLAN(t, "")
	host := lan.Host("subject")
	host.AwaitCarrier()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var records []*sniff.Record
	ended := make(chan error, 1)
	sniffer := sniff.New(sniff.Options{}, func(r *sniff.Record) { records = append(records, r) })
	go func() { ended <- host.Do(func() error { return sniffer.Interface(ctx, host.Interface) }) }()

	subject := testbed.Start(t, host, testbed.Zre, options("subject"))
	peers := map[testbed.Kind]*testbed.Peer{}
	for _, kind := range append(theirs, testbed.Zre) {
		peers[kind] = testbed.Start(t, lan.Host("a"+string(kind[:3])+fmt.Sprint(len(kind))), kind, options("of "+string(kind)))
	}
	for _, p := range peers {
		meet(t, subject, p)
	}
	for i := range 20 {
		number := fmt.Sprint(i)
		if err := subject.Send(testbed.Command{Cmd: "header", Name: "X-NUMBER", Value: number}); err != nil {
			t.Fatal(err)
		}
		for _, p := range peers {
			subject.Whisper(t, p, []byte(number))
			p.Wait(t, "whisper "+number, testbed.Whisper(subject, []byte(number)))
		}
	}
	peers[testbed.Zre].Wait(t, "the last headers", func(e testbed.Event) bool {
		return e.Event == "headers" && e.Peer == subject.UUID && e.Headers["X-NUMBER"] == "19"
	})
	for kind, p := range peers {
		p.Whisper(t, subject, []byte("here")) // in order, if it has lost nothing
		subject.Wait(t, "a whisper of "+p.String(), testbed.Whisper(p, []byte("here")))
		for _, e := range p.Events() {
			if e.Event == "exit" && e.Peer == subject.UUID {
				t.Errorf("%s: %v", kind, e)
			}
		}
	}
	late := testbed.Start(t, lan.Host("late"), testbed.Pyre, options("late"))
	if enter := late.Wait(t, "ENTER of the subject", testbed.Is("enter", subject)); enter.Headers["X-NUMBER"] != "19" {
		t.Errorf("one that comes later sees the headers %q", enter.Headers)
	}
	subject.Quit(t)
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, r := range records {
		if r.Message != "HEADERS" {
			continue
		}
		told++
		if to := peers[testbed.Zre].Host; r.To.Addr() != to.Addr && r.To.Addr().WithZone("") != to.LinkLocal() {
			t.Errorf("HEADERS went to another implementation: %v", r)
		}
	}
	if told == 0 {
		t.Error("no HEADERS were seen")
	}
}
