package script

import "time"

// strict is for what C zyre and pyre do alike.
func strict(strict Outcome, js Outcome) map[string]Outcome {
	return map[string]Outcome{"zyre": strict, "pyre": strict, "zyre.js": js}
}

// alike is for what all do.
func alike(o Outcome) map[string]Outcome { return strict(o, o) }

// did makes an Outcome.
func did(events string, connections ...string) Outcome { return Outcome{connections, events} }

// Scripts are all scripts. Most of the differences come from how zyre.js treats a second HELLO, and messages before a HELLO.
var Scripts = []Script{
	{
		Name:  "HELLO from a peer that no beacon told of",
		Steps: []Step{greet("a")},
		Want:  alike(did("enter", "HELLO 1")),
	},
	{
		Name:  "HELLO after a beacon",
		Steps: []Step{beckon, greet("a"), beckon},
		Want:  alike(did("enter", "HELLO 1")),
	},
	{
		Name:  "PING",
		Steps: []Step{greet("a"), ping("a", 2), ping("a", 3)},
		Want:  alike(did("enter", "HELLO 1, PING-OK 2 to 3")),
	},
	{
		Name:  "JOIN and LEAVE",
		Steps: []Step{greet("a"), join("a", 2, 1), leave("a", 3, 2)},
		Want:  alike(did("enter join leave", "HELLO 1")),
	},
	{
		Name:  "PING from a peer that no beacon told of, before its HELLO",
		Steps: []Step{both(open("a"), ping("a", 1)), hello("a")},
		Want:  alike(did("enter", "HELLO 1")),
	},
	{
		Name:  "PING after a beacon, before HELLO",
		Steps: []Step{beckon, both(open("a"), ping("a", 1)), hello("a")},
		Want:  strict(did("enter", "HELLO 1"), did("exit", "HELLO 1, PING-OK 2, closed")),
	},
	{
		Name:  "WHISPER after a beacon, before HELLO",
		Steps: []Step{beckon, both(open("a"), whisper("a", 1))},
		Want:  strict(did("", "HELLO 1"), did("whisper", "HELLO 1")),
	},
	{
		Name:  "HELLO again",
		Steps: []Step{greet("a"), hello("a"), beckon},
		Want: strict(
			did("enter exit enter", "HELLO 1, closed", "HELLO 1"),
			did("enter exit", "HELLO 1, closed", "HELLO 1"),
		),
	},
	{
		Name:  "HELLO again and again",
		Steps: []Step{greet("a"), hello("a"), hello("a")},
		Want: strict(
			did("enter exit enter exit enter", "HELLO 1, closed", "HELLO 1, closed", "HELLO 1"),
			did("enter exit enter", "HELLO 1, closed", "HELLO 1"),
		),
	},
	{
		Name:  "HELLO again, then the messages of that session",
		Steps: []Step{greet("a"), hello("a"), ping("a", 2), whisper("a", 3)},
		Want: strict(
			did("enter exit enter whisper", "HELLO 1, closed", "HELLO 1, PING-OK 2"),
			did("enter exit", "HELLO 1, closed"),
		),
	},
	{
		Name:  "a gap, and what comes after it",
		Steps: []Step{greet("a"), ping("a", 3), ping("a", 4), beckon, ping("a", 5), hello("a")},
		Want: strict(
			did("enter exit enter", "HELLO 1, closed", "HELLO 1"),
			did("enter exit exit enter", "HELLO 1, closed", "HELLO 1, closed", "HELLO 1"),
		),
	},
	{
		Name:  "a number twice",
		Steps: []Step{greet("a"), ping("a", 2), ping("a", 2)},
		Want:  alike(did("enter exit", "HELLO 1, PING-OK 2, closed")),
	},
	{
		Name:  "the peer's connection closes",
		Steps: []Step{greet("a"), hangUp("a"), beckon},
		Want:  alike(did("enter", "HELLO 1")),
	},
	{
		Name:  "the peer's connection closes, another goes on without HELLO",
		Steps: []Step{greet("a"), hangUp("a"), both(open("b"), ping("b", 2))},
		Want:  alike(did("enter", "HELLO 1, PING-OK 2")),
	},
	{
		Name:  "the peer's connection closes, another goes on and a message is missing",
		Steps: []Step{greet("a"), hangUp("a"), both(open("b"), ping("b", 3))},
		Want:  alike(did("enter exit", "HELLO 1, closed")),
	},
	{
		Name:  "the peer's connection closes, another begins with HELLO",
		Steps: []Step{greet("a"), hangUp("a"), greet("b")},
		Want: strict(
			did("enter exit enter", "HELLO 1, closed", "HELLO 1"),
			did("enter exit", "HELLO 1, closed"),
		),
	},
	{
		Name:  "the peer closes the connection to it: another goes on without HELLO",
		Steps: []Step{greet("a"), drop, ping("a", 2)},
		Want:  alike(did("enter", "HELLO 1, dropped", "PING-OK 2")),
	},
	{
		Name:  "the peer listens no more for a while: what is said meanwhile comes",
		Steps: []Step{greet("a"), unlisten, says("one"), says("two"), listen},
		Want:  alike(did("enter", "HELLO 1, dropped", "WHISPER 2, WHISPER 3")),
	},
	{
		Name:  "another UUID at the endpoint",
		Steps: []Step{greet("a"), both(openSecond("b"), hello("b")), ping("a", 2), ping("b", 2)},
		Want: map[string]Outcome{
			"zyre":    did("enter second enter", "HELLO 1, closed", "HELLO 1, PING-OK 2"),
			"pyre":    did("enter exit second enter", "HELLO 1, closed", "HELLO 1, PING-OK 2"),
			"zyre.js": did("enter second enter", "HELLO 1, PING-OK 2", "HELLO 1, PING-OK 2"),
		},
	},
	{
		// In C zyre the first one is then present without a DEALER.
		Name:  "another UUID at the endpoint, and HELLO from the first one",
		Steps: []Step{greet("a"), both(openSecond("b"), hello("b")), hello("a"), ping("a", 2)},
		Want: map[string]Outcome{
			"zyre":    did("enter enter second enter", "HELLO 1, closed", "HELLO 1"),
			"pyre":    did("enter exit enter second enter exit", "HELLO 1, closed", "HELLO 1, closed", "HELLO 1, PING-OK 2"),
			"zyre.js": did("enter exit second enter", "HELLO 1, closed", "HELLO 1"),
		},
	},
	{
		Name:  "another connection with the identity, which says nothing: it alone is read",
		Steps: []Step{greet("a"), open("b"), ping("a", 2), ping("b", 2), hangUp("b"), ping("a", 3)},
		Want:  alike(did("enter", "HELLO 1, PING-OK 2")),
	},
	{
		Name:  "another connection with the identity says HELLO and closes",
		Steps: []Step{greet("a"), both(greet("b"), hangUp("b")), ping("a", 2)},
		Want: strict(
			did("enter exit enter", "HELLO 1, closed", "HELLO 1"),
			did("enter exit", "HELLO 1, closed"),
		),
	},
	{
		Name:  "a farewell, and a return",
		Steps: []Step{greet("a"), farewell, ping("a", 2), beckon, hello("a")},
		Want:  alike(did("enter exit enter", "HELLO 1, closed", "HELLO 1")),
	},
	{
		Name:  "after 65534 comes 65535",
		Long:  true,
		Steps: []Step{greet("a"), pings("a", 2, 65534), ping("a", 65535), ping("a", 0), ping("a", 1)},
		Want: map[string]Outcome{
			"zyre":    did("enter", "HELLO 1, PING-OK 2 to 65535, PING-OK 0 to 1"),
			"pyre":    did("enter exit", "HELLO 1, PING-OK 2 to 65534, closed"),
			"zyre.js": did("enter exit", "HELLO 1, PING-OK 2 to 65534, closed"),
		},
	},
	{
		Name:  "after 65534 comes 0",
		Long:  true,
		Steps: []Step{greet("a"), pings("a", 2, 65534), ping("a", 0), ping("a", 1)},
		Want: map[string]Outcome{
			"zyre":    did("enter exit", "HELLO 1, PING-OK 2 to 65534, closed"),
			"pyre":    did("enter", "HELLO 1, PING-OK 2 to 65534, PING-OK 0 to 1"),
			"zyre.js": did("enter", "HELLO 1, PING-OK 2 to 65534, PING-OK 0 to 1"),
		},
	},
	{
		Name:   "silence",
		Temper: Usual,
		Steps:  []Step{greet("a"), wait(14*time.Second, false)},
		Want: map[string]Outcome{
			"zyre":    did("enter", "HELLO 1, PINGs"),
			"pyre":    did("enter", "HELLO 1, PINGs"),
			"zyre.js": did("enter", "HELLO 1, PING"),
		},
	},
	{
		Name:   "silence, but for beacons",
		Temper: Usual,
		Steps:  []Step{greet("a"), wait(14*time.Second, true)},
		Want: map[string]Outcome{
			"zyre":    did("enter", "HELLO 1, PINGs"),
			"pyre":    did("enter", "HELLO 1"),
			"zyre.js": did("enter", "HELLO 1"),
		},
	},
	{
		Name:   "silence to the end",
		Temper: Hasty,
		Steps:  []Step{greet("a"), wait(9*time.Second, false), beckon},
		Want: map[string]Outcome{
			"zyre":    did("enter exit", "HELLO 1, PINGs, closed", "HELLO 1"),
			"pyre":    did("enter exit", "HELLO 1, PINGs, closed", "HELLO 1"),
			"zyre.js": did("enter exit", "HELLO 1, PING, closed", "HELLO 1"),
		},
	},
	{
		Name:   "silence to the end, but for beacons",
		Temper: Hasty,
		Steps:  []Step{greet("a"), wait(9*time.Second, true)},
		Want: map[string]Outcome{
			"zyre":    did("enter exit", "HELLO 1, PINGs, closed", "HELLO 1"),
			"pyre":    did("enter", "HELLO 1"),
			"zyre.js": did("enter", "HELLO 1"),
		},
	},
}
