package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// Errors of commands have distinct codes, also when they are wrapped.
func TestCodes(t *testing.T) {
	said := &zre.ReplyError{Text: "none today"}
	for want, err := range map[string]error{
		"":             errors.New("something else"),
		"command":      parseCommand([]byte("junk")).malformed(),
		"unknown_peer": fmt.Errorf("whisper: %w", &zre.PeerError{Err: zre.ErrUnknownPeer}),
		"busy":         errors.Join(&zre.PeerError{Err: zre.ErrPeerBusy}, &zre.PeerError{Err: zre.ErrPeerBusy}),
		"timeout":      fmt.Errorf("ping: %w", &timeoutError{"no answer", time.Second}),
		"reply_error":  fmt.Errorf("x: %w", &replyFailure{said}),
		"peer_gone":    &zre.PeerError{Err: zre.ErrPeerGone},
		"no_handler":   fmt.Errorf("request: %w", zre.ErrNoHandler),
		"ending":       fmt.Errorf("%w: %w", &zre.PeerError{Err: zre.ErrPeerBusy}, errPipeEnded),
		"too_large":    fmt.Errorf("shout: %w", zre.ErrTooLarge),
		"invalid":      fmt.Errorf("join: %w", zre.ErrInvalidGroup),
	} {
		if got := codeOf(err); got != want {
			t.Errorf("%v: code %q, want %q", err, got, want)
		}
		if want != "" && !strings.Contains(pipeEvents, want) {
			t.Errorf("the help does not name the code %s", want)
		}
	}
	late := error(&timeoutError{"no answer", 1500 * time.Millisecond})
	if late.Error() != "no answer within 1.5s" || !errors.Is(late, context.DeadlineExceeded) || errors.Is(late, context.Canceled) {
		t.Errorf("late: %v", late)
	}
}

// Programs see the codes in error events.
func TestPipeCodes(t *testing.T) {
	t.Parallel()
	port := freePort()
	a := startPipe(t, port, "--name", "a")
	b := startPipe(t, port, "--name", "b")
	peer := b.uuid(a)
	for _, test := range []struct{ line, code string }{
		{`"cmd":"dance"`, "command"},
		{`"cmd":"join"`, "command"},
		{`"cmd":"ping","peer":"you"`, "command"},
		{`"cmd":"join","group":""`, "invalid"},
		{`"cmd":"add-peer","endpoint":"x"`, "invalid"},
		{`"cmd":"add-srv","domain":"_"`, "invalid"},
		{`"cmd":"connect-gossip","endpoint":"x"`, "invalid"},
		{`"cmd":"whisper","peer":"` + uuid.NewString() + `","text":["x"]`, "unknown_peer"},
		{`"cmd":"flush","peer":"` + uuid.NewString() + `"`, "unknown_peer"},
		{`"cmd":"request","peer":"` + uuid.NewString() + `","text":["x"]`, "unknown_peer"},
		{`"cmd":"request","peer":"` + peer + `","timeout":50,"text":["x"]`, "timeout"},
	} {
		a.send(`{"id":1,` + test.line + `}`)
		if got := a.next("error"); got["code"] != test.code {
			t.Errorf("%s: %v, want code %s", test.line, got, test.code)
		}
	}
	a.send(`{"cmd":"request","id":1,"peer":"` + peer + `","text":["x"]}`)
	b.next("request") // the late reply
	number := b.next("request")["request"].(float64)
	b.send(fmt.Sprintf(`{"cmd":"reply-error","request":%.0f,"error":"none"}`, number))
	if got := a.next("error"); got["code"] != "reply_error" {
		t.Errorf("an error as the reply: %v", got)
	}
}
