package curve

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// A body that is sealed piece by piece gives the same octets as at once, in pieces of any length.
func TestStream(t *testing.T) {
	for _, size := range []int{0, 1, 31, 222, 223, 224, 256, 300, 16<<10 - bodyStart, 16<<10 - bodyStart + 1, 16 << 10, 100_000} {
		for _, most := range []int{256, 300, 1000, 16 << 10, 1 << 20} {
			t.Run(fmt.Sprint(size, " by ", most), func(t *testing.T) {
				body := make([]byte, size)
				numbered("body")(body)
				whole, pieces := completeHandshake(t), completeHandshake(t)
				want, err := whole.fromClient.Append(nil, More, body)
				if err != nil {
					t.Fatal(err)
				}
				got, rest, err := pieces.fromClient.Begin([]byte("before"), More, body)
				if err != nil {
					t.Fatal(err)
				}
				for rest.Left() > 0 {
					before := len(got)
					if got = rest.Append(got, most); len(got)-before > most || len(got) == before {
						t.Fatalf("a piece of %d bytes", len(got)-before)
					}
				}
				if !bytes.Equal(got, append([]byte("before"), want...)) {
					t.Error("the pieces differ from what Append seals at once")
				}
				after, _ := pieces.fromClient.Append(nil, 0, body)
				wantAfter, _ := whole.fromClient.Append(nil, 0, body)
				if !bytes.Equal(after, wantAfter) {
					t.Error("the next message differs")
				}
			})
		}
	}
	s := completeHandshake(t).fromClient
	s.nonce = 1<<64 - 1
	if dst, _, err := s.Begin([]byte("x"), 0, nil); err != ErrNoncesUsed || string(dst) != "x" {
		t.Errorf("without a nonce: %q, %v", dst, err)
	}
}

// A Check finds what Open finds, and opens the beginning.
func TestCheck(t *testing.T) {
	check := func(o *Opener, message []byte, keep int) (flags byte, plain []byte, err error) {
		sealed := message[Overhead:]
		c, err := o.Check(message[:Overhead], len(sealed))
		if err != nil {
			return 0, nil, err
		}
		for rest := sealed; len(rest) > 0; {
			n := min(len(rest), 7)
			c.Add(rest[:n])
			rest = rest[n:]
		}
		plain = make([]byte, keep)
		flags, err = c.Done(plain, sealed[:keep])
		return flags, plain, err
	}
	body := make([]byte, 1000)
	numbered("body")(body)
	for _, size := range []int{0, 1, 31, 32, 223, 224, 1000} {
		for _, keep := range []int{0, 1, 31, 100, 300} {
			if keep > size {
				continue
			}
			m := completeHandshake(t)
			message := sealed(t, m.fromClient, More, string(body[:size]))
			flags, plain, err := check(m.atServer, message, keep)
			if err != nil || flags != More || !bytes.Equal(plain, body[:keep]) {
				t.Errorf("%d bytes of %d: flags %d, %x, %v", keep, size, flags, plain, err)
			}
			if _, _, err := check(m.atServer, message, keep); !errors.Is(err, ErrNonce) {
				t.Errorf("once more: %v", err)
			}
			if _, _, err := opened(m.atServer, sealed(t, m.fromClient, 0, "next")); err != nil {
				t.Errorf("the next one: %v", err)
			}
		}
	}
	for at := range Overhead + 50 {
		m := completeHandshake(t)
		message := sealed(t, m.fromClient, 0, string(body[:50]))
		message[at] ^= 1
		if _, _, err := check(m.atServer, message, 50); err == nil {
			t.Errorf("byte %d was altered, and Check did not notice", at)
		}
	}
	if _, err := completeHandshake(t).atServer.Check(nil, 0); !errors.Is(err, ErrCommand) {
		t.Errorf("nothing: %v", err)
	}
}
