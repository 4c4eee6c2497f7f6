//go:build !linux

package sniff

import (
	"context"
	"errors"
)

// Interface is for Linux alone.
func (s *Sniffer) Interface(context.Context, string) error {
	return errors.New("interfaces can be looked at on Linux alone; capture with tcpdump or Wireshark, and read the file")
}
