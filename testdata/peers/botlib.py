"""What the Python bots share: options, and the protocol of JSON lines on standard input and output.

The protocol is described in README.md beside this file. A bot makes a Bot, starts its node, says ready, passes what
the node reports to say(), and its commands to serve().
"""

import argparse
import base64
import json
import os
import sys
import threading
import traceback
import uuid


class Unsupported(Exception):
    """An option or command that this implementation does not support."""


class Bot:
    """The process's end of the protocol. say and flush may be called from any thread."""

    def __init__(self, implementation, *more):
        """more are options that only this implementation has; each may be given several times."""
        self.implementation = implementation
        # Libraries print to standard output now and then: it goes to standard error, and the protocol to a copy.
        self._out = os.fdopen(os.dup(1), "wb", 1 << 16)
        os.dup2(2, 1)
        self._lock = threading.Lock()
        self._to_count = 0  # whispers still to come; only the reader's thread changes it while there are any
        # A node whose thread died looks alive from outside: end the process instead.
        threading.excepthook = self._thread_died

        p = argparse.ArgumentParser(description="drives %s by JSON lines" % implementation, allow_abbrev=False)
        p.add_argument("--name")
        p.add_argument("--group", action="append", default=[])
        p.add_argument("--header", action="append", default=[], metavar="KEY=VALUE", type=_header)
        p.add_argument("--interface", action="append", default=[])
        p.add_argument("--port", type=int, help="UDP port of the beacons")
        p.add_argument("--interval", type=_milliseconds, help="between beacons, such as 250ms or 1s")
        p.add_argument("--evasive", type=_milliseconds)
        p.add_argument("--expired", type=_milliseconds)
        p.add_argument("--uuid", type=uuid.UUID)
        p.add_argument("--ipv6", action="store_const", const=True, help="IPv6 instead of IPv4")
        for option in more:
            p.add_argument(option, action="append", default=[])
        self.options = p.parse_args()

    def say(self, event, **fields):
        """Writes one event; fields that are None are left out. It may stay in the buffer until flush."""
        message = {"event": event}
        message.update((k, v) for k, v in fields.items() if v is not None)
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._out.write(line)

    def flush(self):
        with self._lock:
            self._out.flush()

    def error(self, text):
        self.say("error", error=str(text))
        self.flush()

    def counts(self):
        """Tells the reader, which got a whisper, whether to count it instead of reporting it."""
        if self._to_count == 0:
            return False
        self._to_count -= 1
        if self._to_count == 0:
            self.say("counted")
            self.flush()
        return True

    def refuse(self, *options):
        """Ends the process if one of the named options was given: better than a node without that option."""
        for name in options:
            if getattr(self.options, name) not in (None, []):
                self.error("%s cannot do --%s" % (self.implementation, name))
                os._exit(2)

    def serve(self, node):
        """Carries out commands with the methods of node until told to quit or the input ends."""
        for line in sys.stdin.buffer:
            try:
                command = json.loads(line)
                verb = command["cmd"]
                if verb == "quit":
                    return
                elif verb == "whisper":
                    node.whisper(uuid.UUID(command["peer"]), frames_of(command))
                elif verb == "shout":
                    node.shout(command["group"], frames_of(command))
                elif verb == "join":
                    node.join(command["group"])
                elif verb == "leave":
                    node.leave(command["group"])
                elif verb == "flood":
                    peer, frames = uuid.UUID(command["peer"]), [bytes(command["size"])]
                    for _ in range(command["count"]):
                        node.whisper(peer, frames)
                elif verb == "count":
                    self._to_count = command["count"]
                    self.say("counting")
                    self.flush()
                elif verb == "peers":
                    self.say("peers", peers=node.peers())
                    self.flush()
                else:
                    raise Unsupported("unknown command %r" % verb)
            except (Unsupported, ValueError, KeyError, TypeError, AttributeError) as e:
                self.error("%s: %s: %s" % (line.decode(errors="replace").strip()[:200], type(e).__name__, e))

    def exit(self):
        """Ends the process at once: destructors of these libraries may wait forever."""
        self.flush()
        os._exit(0)

    def _thread_died(self, args):
        traceback.print_exception(args.exc_type, args.exc_value, args.exc_traceback)
        self.error("%s died: %s: %s" % (self.implementation, args.exc_type.__name__, args.exc_value))
        os._exit(3)


def frames_of(command):
    """The content frames of a command, as a list of bytes; at least one, because without any, pyre and zyre would
    take the next command for content."""
    if "text" in command:
        frames = [t.encode() for t in command["text"]]
    else:
        frames = [base64.b64decode(f, validate=True) for f in command["frames"]]
    if not frames:
        raise Unsupported("a message without a content frame")
    return frames


def content(frames):
    """The fields of an event that carry content frames."""
    fields = {"frames": [base64.b64encode(f).decode() for f in frames]}
    try:
        fields["text"] = [f.decode() for f in frames]
    except UnicodeDecodeError:
        pass
    return fields


def _header(text):
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError("%r is not KEY=VALUE" % text)
    return key, value


def _milliseconds(text):
    for unit, factor in (("ms", 1), ("s", 1000)):
        if text.endswith(unit):
            return int(float(text[: -len(unit)]) * factor)
    raise argparse.ArgumentTypeError("%r is not a duration such as 250ms or 1s" % text)
