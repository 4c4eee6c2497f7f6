package zretest_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/zre/zretest"
)

const group1 = "239.1.2.3"

// Broadcasts reach a whole subnet; multicasts reach the sockets that joined. Each process receives for itself.
func TestDatagramDelivery(t *testing.T) {
	for _, test := range []struct {
		dst   string
		heard []string
	}{
		{"10.0.0.255:7", []string{"self", "sibling", "near", "both"}},
		{"255.255.255.255:7", []string{"self", "sibling", "near", "both"}},
		{group1 + ":7", []string{"sibling", "both"}},
		{"10.0.0.2:7", []string{"near"}},
		{"10.1.0.255:7", nil},
		{"10.0.0.255:8", nil},
		{"239.9.9.9:7", nil},
	} {
		t.Run(test.dst, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				self := lan.Host("10.0.0.1")
				ears := map[string]*datagramLog{
					"self":    listen(t, self, 7),
					"sibling": listen(t, self.Process(), 7, group1),
					"near":    listen(t, lan.Host("10.0.0.2"), 7),
					"both":    listen(t, lan.Host("10.0.0.3", "10.1.0.3"), 7, group1),
					"far":     listen(t, lan.Host("10.1.0.4"), 7, group1),
					"wide":    listen(t, lan.Host("10.0.0.5/16"), 7, group1),
				}
				ears["self"].sendFrom(t, "x", "10.0.0.1", test.dst)
				advance(time.Millisecond)
				dst := netip.MustParseAddrPort(test.dst).Addr()
				for name, e := range ears {
					var want []string
					if slices.Contains(test.heard, name) {
						want = []string{fmt.Sprintf("x from 10.0.0.1:7 to %v on 2", dst)}
					}
					expectEqual(t, name, e.takeAll(), want)
				}
			})
		})
	}
}

func TestLoopback(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		h := lan.Host()
		here, other := listen(t, h, 7), listen(t, lan.Host(), 7)
		to := beacon.Destination{Dst: netip.MustParseAddrPort("127.255.255.255:7"), Src: netip.MustParseAddr("127.0.0.1"), IfIndex: 1}
		if err := here.WriteTo([]byte("x"), to); err != nil {
			t.Error(err)
		}
		advance(time.Millisecond)
		expectEqual(t, "here", here.takeAll(), []string{"x from 127.0.0.1:7 to 127.255.255.255 on 1"})
		expectEqual(t, "other", other.takeAll(), nil)
	})
}

// Chance comes close to the link's settings, and repeats with the same seed.
func TestLinkFaults(t *testing.T) {
	const count = 10_000
	var used uint64 // the seed, which -zretest.seed overrides
	heard := func(t *testing.T, seed uint64, link zretest.Link) (texts []string, delays []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			lan := zretest.NewLAN(t, zretest.Seed(seed))
			used = lan.Seed()
			lan.SetLink(link)
			a, b := listen(t, lan.Host("10.0.0.1"), 7), listen(t, lan.Host("10.0.0.2"), 7)
			start := time.Now()
			for i := range count {
				a.sendFrom(t, fmt.Sprint(i), "10.0.0.1", "10.0.0.2:7")
				time.Sleep(time.Millisecond)
			}
			advance(time.Minute)
			for _, at := range b.at {
				delays = append(delays, at.Sub(start))
			}
			for _, text := range b.takeAll() {
				var i int
				fmt.Sscan(text, &i)
				delays[len(texts)] -= time.Duration(i) * time.Millisecond
				texts = append(texts, fmt.Sprint(i))
			}
		})
		return texts, delays
	}
	between := func(t *testing.T, what string, got, low, high int) {
		t.Helper()
		if got < low || got > high {
			t.Errorf("%s: %d, want %d to %d", what, got, low, high)
		}
	}
	t.Run("loss", func(t *testing.T) {
		texts, _ := heard(t, 1, zretest.Link{Loss: 0.3})
		between(t, "arrived", len(texts), 6_700, 7_300)
		again, _ := heard(t, 1, zretest.Link{Loss: 0.3})
		expectEqual(t, "the same seed", again, texts)
		first := used
		if other, _ := heard(t, 2, zretest.Link{Loss: 0.3}); used != first && slices.Equal(other, texts) {
			t.Error("another seed lost the same")
		}
	})
	t.Run("duplicate", func(t *testing.T) {
		texts, _ := heard(t, 1, zretest.Link{Duplicate: 0.2})
		between(t, "arrived", len(texts), 11_700, 12_300)
	})
	t.Run("jitter", func(t *testing.T) {
		texts, delays := heard(t, 1, zretest.Link{Latency: 5 * time.Millisecond, Jitter: 3 * time.Millisecond})
		between(t, "arrived", len(texts), count, count)
		between(t, "shortest (µs)", int(slices.Min(delays).Microseconds()), 5_000, 5_100)
		between(t, "longest (µs)", int(slices.Max(delays).Microseconds()), 7_900, 8_000)
	})
	t.Run("reorder", func(t *testing.T) {
		texts, delays := heard(t, 1, zretest.Link{Latency: 2 * time.Millisecond, Reorder: 0.1})
		between(t, "arrived", len(texts), count, count)
		between(t, "on time", len(slices.DeleteFunc(delays, func(d time.Duration) bool { return d != 2*time.Millisecond })), 8_700, 9_300)
	})
	t.Run("bandwidth", func(t *testing.T) {
		// 10,000 numbers are 38,890 bytes, in 10 s; 1,000 bytes a second and a queue of one second pass.
		texts, delays := heard(t, 1, zretest.Link{Bandwidth: 1000})
		between(t, "arrived", len(texts), 2_800, 3_400)
		between(t, "longest (ms)", int(slices.Max(delays).Milliseconds()), 900, 1_010)
	})
}

func TestDatagramErrors(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		h := lan.Host("10.0.0.1")
		e := listen(t, h, 7)
		try := func(src string, index int, want error) {
			t.Helper()
			to := beacon.Destination{Dst: netip.MustParseAddrPort("10.0.0.255:7"), Src: netip.MustParseAddr(src), IfIndex: index}
			if err := e.WriteTo([]byte("x"), to); !errors.Is(err, want) {
				t.Errorf("from %s%%%d: %v, want %v", src, index, err, want)
			}
		}
		try("10.0.0.1", 2, nil)
		advance(time.Second)
		try("10.0.0.1", 3, syscall.ENODEV)
		try("10.0.0.9", 2, syscall.ENETUNREACH)
		if err := e.Join(netip.MustParseAddr(group1), 3); !errors.Is(err, syscall.ENODEV) {
			t.Errorf("join: %v", err)
		}
		h.InterfaceDown("eth0")
		try("10.0.0.1", 2, syscall.ENETDOWN)
		h.Kill()
		try("10.0.0.1", 2, net.ErrClosed)
		if _, err := h.ListenPacket("udp4", 8); !errors.Is(err, net.ErrClosed) {
			t.Errorf("listen in a killed process: %v", err)
		}
		expectEqual(t, "arrived", e.takeAll(), []string{"x from 10.0.0.1:7 to 10.0.0.255 on 2"})
	})
}

// A socket holds a thousand datagrams for a frozen process.
func TestFrozenDatagrams(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		b := lan.Host("10.0.0.2")
		from, to := listen(t, lan.Host("10.0.0.1"), 7), listen(t, b, 7)
		b.Freeze()
		for range 1_500 {
			from.sendFrom(t, "x", "10.0.0.1", "10.0.0.2:7")
		}
		to.sendFrom(t, "y", "10.0.0.2", "10.0.0.1:7")
		advance(time.Minute)
		expectEqual(t, "from the frozen", from.takeAll(), nil)
		expectEqual(t, "while frozen", to.takeAll(), nil)
		b.Thaw()
		synctest.Wait()
		if n := len(to.takeAll()); n != 1_000 {
			t.Errorf("%d datagrams waited, want 1000", n)
		}
		advance(time.Minute)
		expectEqual(t, "from the frozen, after", from.takeAll(), nil)
	})
}

func TestInterfaces(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		a := lan.Host("10.0.0.1", "10.1.0.1/16")
		from, to := listen(t, a, 7), listen(t, lan.Host("10.0.0.2"), 7)
		hear := func(what, src string, want int) {
			t.Helper()
			from.sendFrom(t, "x", src, "10.0.0.255:7")
			advance(time.Second)
			if n := len(to.takeAll()); n != want {
				t.Errorf("%s: %d heard, want %d", what, n, want)
			}
		}
		hear("at first", "10.0.0.1", 1)
		a.SetAddresses("eth0", "10.0.0.7")
		hear("another address", "10.0.0.7", 1)
		a.SetAddresses("eth0", "10.0.3.7")
		hear("another subnet", "10.0.3.7", 0)
		if name := a.AddInterface("10.0.0.9", "10.5.0.9"); name != "eth2" {
			t.Errorf("the new interface is %s", name)
		}
		a.RemoveInterface("eth1")
		a.InterfaceDown("eth2")
		list, err := a.Interfaces()
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, i := range list {
			texts = append(texts, fmt.Sprintf("%d %s %v %t", i.Index, i.Name, i.Addrs, i.Flags&net.FlagUp != 0))
		}
		expectEqual(t, "interfaces", texts, []string{
			"1 lo [127.0.0.1/8] true", "2 eth0 [10.0.3.7/24] true", "4 eth2 [10.0.0.9/24 10.5.0.9/24] false",
		})
		list[1].Addrs[0] = netip.Prefix{}
		if again, _ := a.Interfaces(); !again[1].Addrs[0].IsValid() {
			t.Error("the list is not the caller's own")
		}
	})
}

func TestBlockedPaths(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		var hosts []*zretest.Host
		var ears []*datagramLog
		for i := range 4 {
			hosts = append(hosts, lan.Host(fmt.Sprintf("10.0.0.%d", i)))
			ears = append(ears, listen(t, hosts[i], 7))
		}
		// reached checks for each host which hosts hear it, not counting itself.
		reached := func(what string, want ...string) {
			t.Helper()
			var got []string
			for i, e := range ears {
				e.sendFrom(t, "x", fmt.Sprintf("10.0.0.%d", i), "10.0.0.255:7")
				advance(time.Second)
				text := ""
				for j, o := range ears {
					if heard := o.takeAll(); len(heard) == 1 && j != i {
						text += fmt.Sprint(j)
					}
				}
				got = append(got, text)
			}
			expectEqual(t, what, got, want)
		}
		reached("whole", "123", "023", "013", "012")
		lan.Partition(hosts[0], hosts[1])
		reached("partition", "1", "0", "3", "2")
		lan.Partition(hosts[3])
		reached("two partitions", "1", "0", "", "")
		lan.Heal()
		reached("healed", "123", "023", "013", "012")
		lan.Block(hosts[0], hosts[1])
		reached("one way", "23", "023", "013", "012")
		lan.SetLinkBetween(hosts[2], hosts[3], zretest.Link{Loss: 1})
		reached("bad link", "23", "023", "01", "01")
		lan.Heal()
		lan.SetLink(zretest.Link{})
		reached("well", "123", "023", "013", "012")
		hosts[1].Crash()
		hosts[1].Boot()
		ears[1] = listen(t, hosts[1].Process(), 7)
		reached("booted", "123", "023", "013", "012")
	})
}
