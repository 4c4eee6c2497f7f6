//go:build linux

package interop

import (
	"context"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/conformance"
	"github.com/go-zre/go-zre/internal/testbed"
)

// subject is a real node that scripts are played against.
type subject struct {
	*testbed.Peer
	id uuid.UUID
}

func (s subject) UUID() uuid.UUID { return s.id }

func (s subject) Whisper(to uuid.UUID, text string) error {
	return s.Send(testbed.Command{Cmd: "whisper", Peer: to.String(), Text: []string{text}})
}

func (s subject) Events(of uuid.UUID) (list []string) {
	for _, e := range s.Peer.Events() {
		switch e.Event {
		case "enter", "exit", "join", "leave", "whisper":
			if e.Peer == of.String() {
				list = append(list, e.Event)
			}
		}
	}
	return list
}

// The others do, message by message, what the scripts say. TestScripts of zre/zretest plays them against the models of the simulated LAN:
// the models are right as long as both tests pass.
func TestScripts(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind testbed.Kind) {
		lan := testbed.NewLAN(t, "")
		subjects := make(map[conformance.Temper]subject)
		for temper, host := range map[conformance.Temper]string{conformance.Patient: "patient", conformance.Usual: "usual", conformance.Hasty: "hasty"} {
			evasive, expired := temper.Timeouts()
			p := testbed.Start(t, lan.Host(host), kind, testbed.Options{Name: host, Evasive: evasive, Expired: expired})
			subjects[temper] = subject{p, uuid.MustParse(p.UUID)}
		}
		player := hostNetwork{lan.Host("player")}
		ctx, cancel := context.WithTimeout(t.Context(), 2*testbed.Patience)
		defer cancel()
		var playing sync.WaitGroup
		for _, s := range conformance.Scripts { // all at once: they mostly wait
			playing.Go(func() {
				got, err := conformance.Play(ctx, player, subjects[s.Temper], s)
				if err != nil {
					t.Errorf("%s: %v", s.Name, err)
				}
				if wrong := got.Differs(s.Want[string(kind)]); wrong != "" {
					t.Errorf("%s:\n%s", s.Name, wrong)
				}
			})
		}
		playing.Wait()
	})
}
