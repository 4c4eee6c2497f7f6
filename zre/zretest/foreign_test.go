package zretest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/script"
	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

var foreign = []zretest.Implementation{zretest.Zyre, zretest.Pyre, zretest.ZyreJS}

// subject is a model that scripts are played for.
type subject struct{ *zretest.Foreign }

func (s subject) Whisper(to uuid.UUID, text string) error {
	if !s.Foreign.Whisper(to, []byte(text)) {
		return errors.New("no such peer")
	}
	return nil
}

func (s subject) Events(of uuid.UUID) (list []string) {
	for _, e := range s.Seen() {
		if e.From().UUID != of {
			continue
		}
		switch e.(type) {
		case zre.Enter:
			list = append(list, "enter")
		case zre.Exit:
			list = append(list, "exit")
		case zre.Join:
			list = append(list, "join")
		case zre.Leave:
			list = append(list, "leave")
		case zre.Whisper:
			list = append(list, "whisper")
		}
	}
	return list
}

// The models do, message by message, what internal/interop's TestScripts finds the real ones to do.
func TestScripts(t *testing.T) {
	for _, kind := range foreign {
		for _, s := range script.Scripts {
			if s.Long && underRace {
				continue
			}
			t.Run(string(kind)+"/"+s.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					lan := zretest.NewLAN(t)
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					var options []zretest.ForeignOption
					if !s.Idle {
						options = append(options, zretest.ForeignTimeouts(time.Minute, 2*time.Minute))
					}
					f := zretest.NewForeign(t, lan.Host("10.0.0.2"), kind, options...)
					got, err := script.Play(ctx, lan.Host("10.0.0.1"), subject{f}, s)
					if err != nil {
						t.Error(err)
					}
					if wrong := got.Differs(s.Want[string(kind)]); wrong != "" {
						t.Error(wrong)
					}
				})
			})
		}
	}
}
