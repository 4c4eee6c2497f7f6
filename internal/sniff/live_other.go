//go:build !linux

package sniff

import (
	"context"
	"errors"
)

// Interface works only on Linux.
func (s *Sniffer) Interface(context.Context, string) error {
	return errors.New("interfaces can be read only on Linux; capture with tcpdump or Wireshark, and read the file")
}
