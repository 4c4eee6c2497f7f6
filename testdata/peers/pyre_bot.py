"""Drives a pyre node (Python, the package zeromq-pyre) by JSON lines; see README.md.

pyre takes the first interface with a broadcast address that is not lo, so it needs a machine, or a network namespace,
that has one.
"""

import fcntl
import socket
import struct
import threading

import zmq
from pyre import Pyre, zbeacon
from pyre.pyre_event import PyreEvent
from pyre.pyre_peer import PyrePeer

from botlib import Bot, content


class Node:
    """The application's half of a pyre node. One thread sends commands, another reads events: pyre keeps a socket
    for each, and a socket must not be shared between threads."""

    def __init__(self, bot):
        options = bot.options
        bot.refuse("uuid", "ipv6")
        # pyre has no settings for these.
        if options.interval is not None:
            zbeacon.INTERVAL_DFLT = options.interval / 1000
        if options.evasive is not None:
            PyrePeer.PEER_EVASIVE = options.evasive / 1000
        if options.expired is not None:
            # Its high-water mark is this times 100, and must be a whole number.
            PyrePeer.PEER_EXPIRED = max(1, options.expired // 1000)

        self._bot = bot
        self._pyre = Pyre(options.name)
        for key, value in options.header:
            self._pyre.set_header(key, value)
        if options.port is not None:
            self._pyre.set_port(b"%d" % options.port)
        for group in options.group:
            self._pyre.join(group)
        self._pyre.start()
        # pyre offers no choice: check that it took the right one.
        if any(address_of(name) not in self._pyre.endpoint() for name in options.interface):
            bot.refuse("interface")
        bot.say("ready", uuid=str(self._pyre.uuid()), name=self._pyre.name(), endpoint=self._pyre.endpoint())
        bot.flush()
        self._reader = threading.Thread(target=self._read_events)
        self._reader.start()

    def _read_events(self):
        while True:
            if not self._pyre.inbox.get(zmq.EVENTS) & zmq.POLLIN:
                self._bot.flush()  # before the wait
            event = PyreEvent(self._pyre)
            if event.type == "WHISPER" and self._bot.counts():
                continue
            fields = {"peer": str(event.peer_uuid), "name": event.peer_name, "group": event.group}
            if event.type == "STOP":
                return
            if event.type == "ENTER":
                fields.update(headers=event.headers, endpoint=event.peer_addr, transport="tcp")
            if event.msg is not None:
                fields.update(content(event.msg))
            self._bot.say(event.type.lower(), **fields)

    def join(self, group):
        self._pyre.join(group)

    def leave(self, group):
        self._pyre.leave(group)

    def whisper(self, peer, frames):
        self._pyre.whisper(peer, frames)

    def shout(self, group, frames):
        self._pyre.shout(group, frames)

    def peers(self):
        return [{"peer": str(p), "endpoint": self._pyre.peer_address(p)} for p in self._pyre.peers()]

    def stop(self):
        self._pyre.stop()
        self._reader.join()


def address_of(interface):
    """The IPv4 address of an interface, as it looks in an endpoint."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        answer = fcntl.ioctl(s, 0x8915, struct.pack("256s", interface.encode()))  # SIOCGIFADDR of Linux
    return "//%s:" % socket.inet_ntoa(answer[20:24])


def main():
    bot = Bot("pyre")
    node = Node(bot)
    bot.serve(node)
    node.stop()
    bot.exit()


if __name__ == "__main__":
    main()
