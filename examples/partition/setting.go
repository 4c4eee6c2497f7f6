package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/go-zre/go-zre/zre"
)

const group = "SETTING"

// A setting is a value, and how often it was changed before. All nodes keep the one with the highest version; of two that were set
// on both sides of a cut, with the same version, the greater value. So all agree, in whatever order they hear of them. What loses
// is gone: this suits a volume, not a bank account.
type setting struct {
	version uint64
	value   string
}

func (s setting) frames() [][]byte {
	return [][]byte{strconv.AppendUint(nil, s.version, 10), []byte(s.value)}
}

// take takes over a setting of a peer if it wins.
func (s *setting) take(frames [][]byte, from *zre.Peer, out io.Writer) error {
	if len(frames) != 2 {
		return fmt.Errorf("%q sends no setting", from.Name)
	}
	version, err := strconv.ParseUint(string(frames[0]), 10, 63) // 63 bits, so that there is always a next one
	if err != nil {
		return fmt.Errorf("%q sends no version: %w", from.Name, err)
	}
	if other := (setting{version, string(frames[1])}); other.version > s.version || other.version == s.version && other.value > s.value {
		*s = other
		fmt.Fprintf(out, "%q set %.200q\n", from.Name, other.value)
	}
	return nil
}
