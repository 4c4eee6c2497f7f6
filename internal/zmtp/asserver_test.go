package zmtp

import (
	"fmt"
	"testing"
	"testing/synctest"
)

// With NULL the as-server octet means nothing (RFC 23), and libzmq does not look at it.
func TestAsServerOfNull(t *testing.T) {
	for _, server := range []byte{0, 1, 2, 0xff} {
		for _, r := range roles {
			t.Run(fmt.Sprintf("%s/%d", r.role, server), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					greeting := octets(t, "ff 00 00 00 00 00 00 00 01 7f 03 01"+ // signature, version 3.1
						"4e 55 4c 4c 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"+ // NULL
						fmt.Sprintf("%02x", server)+
						"00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00")
					typed := "04 00 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 06" + // READY, Socket-Type
						map[string]string{"DEALER": "44 45 41 4c 45 52", "ROUTER": "52 4f 55 54 45 52"}[r.peer] +
						"08 49 64 65 6e 74 69 74 79 00 00 00 01 78" // Identity x
					ready := octets(t, typed)
					ready[1] = byte(len(ready) - shortHeader)
					ours, theirs := memPair(64 << 10)
					theirs.Write(join(greeting, ready))
					peer, err := handshakeWith(ours, Config{}, r.role)
					if err != nil || peer.get(propIdentity) != "x" {
						t.Errorf("identity %q, %v", peer.get(propIdentity), err)
					}
					ours.Close()
					theirs.Close()
				})
			})
		}
	}
}
