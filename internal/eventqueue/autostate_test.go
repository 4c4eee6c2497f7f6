package eventqueue

import (
	"strings"
	"testing"
)

// Each letter is a sample: of what happened, and of the state that it gives.
//
//	.  nothing    a  a message arrived and was taken    w  the application works at what it took
//	b  both: a message arrived while it works           f  the queue is half full
func TestAutoState(t *testing.T) {
	for _, c := range []struct{ name, samples, want string }{
		{"nothing", "....", "iiii"},
		{"one message", "a......", "rrrrrii"},
		{"now and then", "a..a...a.......", "rrrrrrrrrrrriii"},
		{"a moment's work", "aw......", "rrrrriii"},
		{"lags", "awww......", "rrrpppppii"},
		{"lags while more comes", "abbbbb......", "rrrpppppppii"},
		{"catches up while more comes", "awwwaaaaaaa", "rrrppppprrr"},
		{"half full", "ff.......", "ipppppiii"},
	} {
		t.Run(c.name, func(t *testing.T) {
			auto := NewAutoState()
			var now Activity
			var got strings.Builder
			for _, s := range c.samples {
				if strings.ContainsRune("ab", s) {
					now.arrived++
				}
				if strings.ContainsRune(".a", s) {
					now.takes++
				}
				now.work = strings.ContainsRune("wb", s)
				now.halfFull = s == 'f'
				got.WriteByte(auto.Sample(now).String()[0])
			}
			if got.String() != c.want {
				t.Errorf("%s gives\n%s, want\n%s", c.samples, got.String(), c.want)
			}
		})
	}
}
