package node

import (
	"maps"
	"testing"

	"github.com/go-zre/go-zre/msg"
)

// HEADERS of a peer replace the headers of its HELLO, except for reserved ones. The same headers again are no event. A malformed message breaks
// the sequence, like any other.
func TestHeadersOfPeer(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeerWith(t, n, oursWith("headers"))
	f.properties = map[string]string{extensionsProperty: "headers"}
	f.enter()
	n.waitKind(Enter, f.uuid)
	sequence := uint16(1)
	for _, c := range []struct {
		send, want map[string]string
	}{
		{map[string]string{"role": "camera"}, map[string]string{"role": "camera"}},
		{map[string]string{"role": "camera"}, map[string]string{"role": "camera"}},
		{map[string]string{"X-PUBLICKEY": "forged", "a": "1"}, map[string]string{"a": "1"}},
		{nil, map[string]string{}},
	} {
		sequence++
		f.send(must(msg.AppendHeaders(nil, sequence, n.outHeaders(c.send), msg.Limits{})))
		n.until(t, "they are known", func() bool { return maps.Equal(n.sessions[f.uuid].headers, c.want) })
	}
	f.send(append(msg.AppendPing(nil, sequence+1)[:2], 129, 2, 0, byte(sequence+1), 0xff))
	f.send(msg.AppendPing(nil, sequence+2))
	n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "HEADERS(map[role:camera])", "HEADERS(map[a:1])", "HEADERS(map[])", "EXIT(lost messages)"})
}
