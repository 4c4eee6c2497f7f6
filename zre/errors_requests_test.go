package zre_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
)

// ofRequests tells whether an error of a call needs a request, or a peer that answers, to occur.
func ofRequests(call, name string) bool {
	switch name {
	case "ErrPeerGone*", "ReplyError", "ErrNoHandler*", "ErrTooManyRequests":
		return true
	}
	return strings.HasPrefix(call, "Request.") || strings.HasPrefix(call, "PendingReply.") || strings.HasSuffix(call, "Request") && name == "ErrTooLarge"
}

// provokeRequest makes a call about requests fail with an error.
func provokeRequest(t *testing.T, n, peer *zre.Node, call, name string) error {
	if err := errors.Join(peer.Join("G"), n.Start(t.Context()), peer.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	for _, each := range []*zre.Node{n, peer} {
		if _, err := each.WaitFor(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	if strings.HasPrefix(call, "Request.") {
		return provokeReply(t, n, peer, call, name)
	}
	switch name {
	case "ErrTooLarge":
		return badCalls[call][name](t.Context(), n)
	case "ErrTooManyRequests":
		for range 2 {
			if _, err := n.StartRequest(t.Context(), peer.UUID()); err != nil {
				t.Fatal(err)
			}
		}
	case "ErrPeerGone*":
		time.AfterFunc(time.Second, func() { peer.Close() })
	case "ErrClosed":
		time.AfterFunc(time.Second, func() { n.Close() })
	case "ReplyError", "ErrNoHandler*":
		mux := zre.NewMux()
		if name == "ReplyError" {
			mux.HandleRequest("*", func(ctx context.Context, r zre.Request) { _ = r.ReplyError(ctx, "no") })
		}
		go func() { _ = peer.Serve(t.Context(), mux) }()
	}
	if call != "PendingReply.Result" {
		return goodCalls[call](t.Context(), n, peer.UUID())
	}
	pending, err := n.StartRequest(t.Context(), peer.UUID())
	if err != nil {
		t.Fatal(err)
	}
	_, err = pending.Result()
	return err
}

// provokeReply makes n fail to answer a request of the peer.
func provokeReply(t *testing.T, n, peer *zre.Node, call, name string) error {
	if _, err := peer.StartRequest(t.Context(), n.UUID()); err != nil {
		t.Fatal(err)
	}
	var request zre.Request
	for event := range n.AllEvents(t.Context()) {
		if r, ok := event.(zre.Request); ok {
			request = r
			break
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answer := func() error {
		switch {
		case call == "Request.ReplyError":
			return request.ReplyError(ctx, "no")
		case name == "ErrTooLarge":
			return request.Reply(ctx, make([]byte, 1<<20))
		}
		return request.Reply(ctx)
	}
	switch name {
	case "ErrReplied":
		if err := answer(); err != nil {
			t.Fatal(err)
		}
	case "ErrPeerBusy*":
		fill(t, n, peer)
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
	case "ErrUnknownPeer*":
		peer.Close()
		for event := range n.AllEvents(t.Context()) {
			if _, ok := event.(zre.Exit); ok {
				break
			}
		}
	case "ErrClosed":
		n.Close()
	}
	return answer()
}
