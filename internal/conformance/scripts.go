package conformance

import "time"

// zyreAndPyre returns the outcomes where C zyre and pyre do the same, and zyre.js something else.
func zyreAndPyre(both Outcome, js Outcome) map[string]Outcome {
	return map[string]Outcome{"zyre": both, "pyre": both, "zyre.js": js}
}

// sameForAll returns the outcomes where all do the same.
func sameForAll(o Outcome) map[string]Outcome { return zyreAndPyre(o, o) }

// outcome makes an Outcome.
func outcome(events string, connections ...string) Outcome { return Outcome{connections, events} }

// Scripts are all scripts. Most of the differences come from how zyre.js treats a second HELLO, and messages before a HELLO.
var Scripts = []Script{
	{
		Name:  "HELLO from a peer that no beacon told of",
		Steps: []Step{openAndHello("a")},
		Want:  sameForAll(outcome("enter", "HELLO 1")),
	},
	{
		Name:  "HELLO after a beacon",
		Steps: []Step{sendBeacon, openAndHello("a"), sendBeacon},
		Want:  sameForAll(outcome("enter", "HELLO 1")),
	},
	{
		Name:  "PING",
		Steps: []Step{openAndHello("a"), ping("a", 2), ping("a", 3)},
		Want:  sameForAll(outcome("enter", "HELLO 1, PING-OK 2 to 3")),
	},
	{
		Name:  "JOIN and LEAVE",
		Steps: []Step{openAndHello("a"), join("a", 2, 1), leave("a", 3, 2)},
		Want:  sameForAll(outcome("enter join leave", "HELLO 1")),
	},
	{
		Name:  "PING from a peer that no beacon told of, before its HELLO",
		Steps: []Step{together(open("a"), ping("a", 1)), hello("a")},
		Want:  sameForAll(outcome("enter", "HELLO 1")),
	},
	{
		Name:  "PING after a beacon, before HELLO",
		Steps: []Step{sendBeacon, together(open("a"), ping("a", 1)), hello("a")},
		Want:  zyreAndPyre(outcome("enter", "HELLO 1"), outcome("exit", "HELLO 1, PING-OK 2, closed")),
	},
	{
		Name:  "WHISPER after a beacon, before HELLO",
		Steps: []Step{sendBeacon, together(open("a"), whisper("a", 1))},
		Want:  zyreAndPyre(outcome("", "HELLO 1"), outcome("whisper", "HELLO 1")),
	},
	{
		Name:  "HELLO again",
		Steps: []Step{openAndHello("a"), hello("a"), sendBeacon},
		Want: zyreAndPyre(
			outcome("enter exit enter", "HELLO 1, closed", "HELLO 1"),
			outcome("enter exit", "HELLO 1, closed", "HELLO 1"),
		),
	},
	{
		Name:  "HELLO again and again",
		Steps: []Step{openAndHello("a"), hello("a"), hello("a")},
		Want: zyreAndPyre(
			outcome("enter exit enter exit enter", "HELLO 1, closed", "HELLO 1, closed", "HELLO 1"),
			outcome("enter exit enter", "HELLO 1, closed", "HELLO 1"),
		),
	},
	{
		Name:  "HELLO again, then the messages of that session",
		Steps: []Step{openAndHello("a"), hello("a"), ping("a", 2), whisper("a", 3)},
		Want: zyreAndPyre(
			outcome("enter exit enter whisper", "HELLO 1, closed", "HELLO 1, PING-OK 2"),
			outcome("enter exit", "HELLO 1, closed"),
		),
	},
	{
		Name:  "a gap, and what comes after it",
		Steps: []Step{openAndHello("a"), ping("a", 3), ping("a", 4), sendBeacon, ping("a", 5), hello("a")},
		Want: zyreAndPyre(
			outcome("enter exit enter", "HELLO 1, closed", "HELLO 1"),
			outcome("enter exit exit enter", "HELLO 1, closed", "HELLO 1, closed", "HELLO 1"),
		),
	},
	{
		Name:  "a number twice",
		Steps: []Step{openAndHello("a"), ping("a", 2), ping("a", 2)},
		Want:  sameForAll(outcome("enter exit", "HELLO 1, PING-OK 2, closed")),
	},
	{
		Name:  "the peer's connection closes",
		Steps: []Step{openAndHello("a"), closeConn("a"), sendBeacon},
		Want:  sameForAll(outcome("enter", "HELLO 1")),
	},
	{
		Name:  "the peer's connection closes, another goes on without HELLO",
		Steps: []Step{openAndHello("a"), closeConn("a"), together(open("b"), ping("b", 2))},
		Want:  sameForAll(outcome("enter", "HELLO 1, PING-OK 2")),
	},
	{
		Name:  "the peer's connection closes, another goes on and a message is missing",
		Steps: []Step{openAndHello("a"), closeConn("a"), together(open("b"), ping("b", 3))},
		Want:  sameForAll(outcome("enter exit", "HELLO 1, closed")),
	},
	{
		Name:  "the peer's connection closes, another begins with HELLO",
		Steps: []Step{openAndHello("a"), closeConn("a"), openAndHello("b")},
		Want: zyreAndPyre(
			outcome("enter exit enter", "HELLO 1, closed", "HELLO 1"),
			outcome("enter exit", "HELLO 1, closed"),
		),
	},
	{
		Name:  "the peer closes the connection to it: another goes on without HELLO",
		Steps: []Step{openAndHello("a"), closeIncoming, ping("a", 2)},
		Want:  sameForAll(outcome("enter", "HELLO 1, dropped", "PING-OK 2")),
	},
	{
		Name:  "the peer listens no more for a while: what is said meanwhile comes",
		Steps: []Step{openAndHello("a"), stopListening, subjectWhispers("one"), subjectWhispers("two"), listenAgain},
		Want:  sameForAll(outcome("enter", "HELLO 1, dropped", "WHISPER 2, WHISPER 3")),
	},
	{
		Name:  "another UUID at the endpoint",
		Steps: []Step{openAndHello("a"), together(openSecond("b"), hello("b")), ping("a", 2), ping("b", 2)},
		Want: map[string]Outcome{
			"zyre":    outcome("enter second enter", "HELLO 1, closed", "HELLO 1, PING-OK 2"),
			"pyre":    outcome("enter exit second enter", "HELLO 1, closed", "HELLO 1, PING-OK 2"),
			"zyre.js": outcome("enter second enter", "HELLO 1, PING-OK 2", "HELLO 1, PING-OK 2"),
		},
	},
	{
		// In C zyre the first one is then present without a DEALER.
		Name:  "another UUID at the endpoint, and HELLO from the first one",
		Steps: []Step{openAndHello("a"), together(openSecond("b"), hello("b")), hello("a"), ping("a", 2)},
		Want: map[string]Outcome{
			"zyre":    outcome("enter enter second enter", "HELLO 1, closed", "HELLO 1"),
			"pyre":    outcome("enter exit enter second enter exit", "HELLO 1, closed", "HELLO 1, closed", "HELLO 1, PING-OK 2"),
			"zyre.js": outcome("enter exit second enter", "HELLO 1, closed", "HELLO 1"),
		},
	},
	{
		Name:  "another connection with the identity, which says nothing: it alone is read",
		Steps: []Step{openAndHello("a"), open("b"), ping("a", 2), ping("b", 2), closeConn("b"), ping("a", 3)},
		Want:  sameForAll(outcome("enter", "HELLO 1, PING-OK 2")),
	},
	{
		Name:  "another connection with the identity says HELLO and closes",
		Steps: []Step{openAndHello("a"), together(openAndHello("b"), closeConn("b")), ping("a", 2)},
		Want: zyreAndPyre(
			outcome("enter exit enter", "HELLO 1, closed", "HELLO 1"),
			outcome("enter exit", "HELLO 1, closed"),
		),
	},
	{
		Name:  "a farewell, and a return",
		Steps: []Step{openAndHello("a"), sendFarewell, ping("a", 2), sendBeacon, hello("a")},
		Want:  sameForAll(outcome("enter exit enter", "HELLO 1, closed", "HELLO 1")),
	},
	{
		Name:  "after 65534 comes 65535",
		Long:  true,
		Steps: []Step{openAndHello("a"), pings("a", 2, 65534), ping("a", 65535), ping("a", 0), ping("a", 1)},
		Want: map[string]Outcome{
			"zyre":    outcome("enter", "HELLO 1, PING-OK 2 to 65535, PING-OK 0 to 1"),
			"pyre":    outcome("enter exit", "HELLO 1, PING-OK 2 to 65534, closed"),
			"zyre.js": outcome("enter exit", "HELLO 1, PING-OK 2 to 65534, closed"),
		},
	},
	{
		Name:  "after 65534 comes 0",
		Long:  true,
		Steps: []Step{openAndHello("a"), pings("a", 2, 65534), ping("a", 0), ping("a", 1)},
		Want: map[string]Outcome{
			"zyre":    outcome("enter exit", "HELLO 1, PING-OK 2 to 65534, closed"),
			"pyre":    outcome("enter", "HELLO 1, PING-OK 2 to 65534, PING-OK 0 to 1"),
			"zyre.js": outcome("enter", "HELLO 1, PING-OK 2 to 65534, PING-OK 0 to 1"),
		},
	},
	{
		Name:   "silence",
		Temper: Usual,
		Steps:  []Step{openAndHello("a"), wait(14*time.Second, false)},
		Want: map[string]Outcome{
			"zyre":    outcome("enter", "HELLO 1, PINGs"),
			"pyre":    outcome("enter", "HELLO 1, PINGs"),
			"zyre.js": outcome("enter", "HELLO 1, PING"),
		},
	},
	{
		Name:   "silence, but for beacons",
		Temper: Usual,
		Steps:  []Step{openAndHello("a"), wait(14*time.Second, true)},
		Want: map[string]Outcome{
			"zyre":    outcome("enter", "HELLO 1, PINGs"),
			"pyre":    outcome("enter", "HELLO 1"),
			"zyre.js": outcome("enter", "HELLO 1"),
		},
	},
	{
		Name:   "silence to the end",
		Temper: Hasty,
		Steps:  []Step{openAndHello("a"), wait(9*time.Second, false), sendBeacon},
		Want: map[string]Outcome{
			"zyre":    outcome("enter exit", "HELLO 1, PINGs, closed", "HELLO 1"),
			"pyre":    outcome("enter exit", "HELLO 1, PINGs, closed", "HELLO 1"),
			"zyre.js": outcome("enter exit", "HELLO 1, PING, closed", "HELLO 1"),
		},
	},
	{
		Name:   "silence to the end, but for beacons",
		Temper: Hasty,
		Steps:  []Step{openAndHello("a"), wait(9*time.Second, true)},
		Want: map[string]Outcome{
			"zyre":    outcome("enter exit", "HELLO 1, PINGs, closed", "HELLO 1"),
			"pyre":    outcome("enter", "HELLO 1"),
			"zyre.js": outcome("enter", "HELLO 1"),
		},
	},
}
