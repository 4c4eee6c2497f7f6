package zretest_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// whisperNumbers makes the peer whisper the numbers from first to last.
func (p *pair) whisperNumbers(first, last uint64) {
	for n := first; n <= last; n++ {
		if !p.peer.Whisper(p.node.UUID(), zretest.Number(n)) {
			p.t.Errorf("whisper %d: the peer has no connection to the node", n)
		}
	}
}

// numbers lists the numbers in the whispers that the node received.
func (p *pair) numbers() (list []uint64) {
	for _, e := range p.node.Seen() {
		if w, ok := e.(zre.Whisper); ok {
			n, _ := zretest.ParseNumber(w.Frames[0])
			list = append(list, n)
		}
	}
	return list
}

// A libzmq DEALER whose connection broke reconnects and continues without a HELLO. If nothing is missing, neither application notices.
func TestForeignSessionContinues(t *testing.T) {
	runs := 20
	if underRace {
		runs = 4
	}
	for _, kind := range foreign {
		for _, after := range []time.Duration{50 * time.Millisecond, 300 * time.Millisecond, 1500 * time.Millisecond, time.Minute} {
			t.Run(fmt.Sprintf("%s/speaks after %v", kind, after), func(t *testing.T) {
				zretest.Run(t, runs, func(t *testing.T, lan *zretest.LAN) {
					lan.SetLink(zretest.Link{Latency: time.Duration(lan.Rand().Int64N(int64(50 * time.Millisecond)))})
					p := newPair(t, lan, kind)
					p.whisperNumbers(0, 2)
					advance(time.Second + time.Duration(lan.Rand().Int64N(int64(11*time.Second)))) // PINGs may be in transit
					before := p.seen()
					p.far.ResetConnectionsTo(p.here)
					time.Sleep(after)
					p.whisperNumbers(3, 5)
					advance(5 * time.Second)
					if got := p.since(before); len(got) > 0 {
						t.Errorf("events: %v", got)
					}
					if got := p.numbers(); !slices.Equal(got, []uint64{0, 1, 2, 3, 4, 5}) {
						t.Errorf("whispers: %v", got)
					}
					p.checkCalm()
				})
			})
		}
	}
}

// If something is missing, the peer exits for it, receives a HELLO and enters again.
func TestForeignSessionContinuesWithAGap(t *testing.T) {
	for _, kind := range foreign {
		for _, latency := range []time.Duration{200 * time.Microsecond, 20 * time.Millisecond, 200 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s/%v", kind, latency), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					lan := zretest.NewLAN(t)
					lan.SetLink(zretest.Link{Latency: latency})
					p := newPair(t, lan, kind)
					p.whisperNumbers(0, 2)
					advance(time.Second)
					before := p.seen()
					p.whisperNumbers(3, 3)
					synctest.Wait() // it is in transit
					p.far.ResetConnectionsTo(p.here)
					p.whisperNumbers(4, 5)
					advance(calmAfterFault + calmAfterDrop)
					if got := p.since(before); !slices.Equal(got, []string{"Exit(peer: lost messages)", "Enter(peer)"}) {
						t.Errorf("events: %v", got)
					}
					if got := p.numbers(); !slices.Equal(got, []uint64{0, 1, 2}) {
						t.Errorf("whispers: %v", got)
					}
					p.checkCalm()
				})
			})
		}
	}
}
