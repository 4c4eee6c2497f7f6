"""Drives a C zyre node by JSON lines; see README.md.

No distribution packages zyre, but the shared object of the Python package ingescape holds all of zyre, czmq and libzmq,
and exports their functions. They are called here through ctypes; nothing of ingescape itself runs.
"""

import ctypes
import glob
import importlib.util
import os
import sys
import threading
import uuid
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_void_p

from botlib import Bot, content

# Functions: result, arguments. "wait" marks those that may wait for the node or a peer; they run without Python's lock.
# The others only read memory, and keep it: releasing it costs more than they do.
FUNCTIONS = {
    "zyre_new": (c_void_p, [c_char_p], "wait"),
    "zyre_destroy": (None, [POINTER(c_void_p)], "wait"),
    "zyre_start": (c_int, [c_void_p], "wait"),
    "zyre_stop": (None, [c_void_p], "wait"),
    "zyre_uuid": (c_char_p, [c_void_p], "wait"),
    "zyre_name": (c_char_p, [c_void_p], "wait"),
    "zyre_set_header": (None, [c_void_p, c_char_p, c_char_p, c_char_p], "wait"),
    "zyre_set_interface": (None, [c_void_p, c_char_p], "wait"),
    "zyre_set_port": (None, [c_void_p, c_int], "wait"),
    "zyre_set_interval": (None, [c_void_p, c_size_t], "wait"),
    "zyre_set_evasive_timeout": (None, [c_void_p, c_int], "wait"),
    "zyre_set_expired_timeout": (None, [c_void_p, c_int], "wait"),
    "zyre_set_endpoint": (c_int, [c_void_p, c_char_p, c_char_p], "wait"),
    "zyre_set_advertised_endpoint": (None, [c_void_p, c_char_p], "wait"),
    "zyre_gossip_bind": (None, [c_void_p, c_char_p, c_char_p], "wait"),
    "zyre_gossip_connect": (None, [c_void_p, c_char_p, c_char_p], "wait"),
    "zyre_gossip_connect_curve": (None, [c_void_p, c_char_p, c_char_p, c_char_p], "wait"),
    "zyre_set_zcert": (None, [c_void_p, c_void_p], "wait"),
    "zyre_require_peer": (c_int, [c_void_p, c_char_p, c_char_p, c_char_p], "wait"),
    "zyre_set_contest_in_group": (None, [c_void_p, c_char_p], "wait"),
    "zyre_join": (c_int, [c_void_p, c_char_p], "wait"),
    "zyre_leave": (c_int, [c_void_p, c_char_p], "wait"),
    "zyre_whisper": (c_int, [c_void_p, c_char_p, POINTER(c_void_p)], "wait"),
    "zyre_shout": (c_int, [c_void_p, c_char_p, POINTER(c_void_p)], "wait"),
    "zyre_peers": (c_void_p, [c_void_p], "wait"),
    "zyre_peer_address": (c_void_p, [c_void_p, c_char_p], "wait"),
    "zyre_socket": (c_void_p, [c_void_p], ""),
    "zyre_event_new": (c_void_p, [c_void_p], "wait"),
    "zyre_event_destroy": (None, [POINTER(c_void_p)], ""),
    "zyre_event_type": (c_char_p, [c_void_p], ""),
    "zyre_event_peer_uuid": (c_char_p, [c_void_p], ""),
    "zyre_event_peer_name": (c_char_p, [c_void_p], ""),
    "zyre_event_peer_addr": (c_char_p, [c_void_p], ""),
    "zyre_event_group": (c_char_p, [c_void_p], ""),
    "zyre_event_headers": (c_void_p, [c_void_p], ""),
    "zyre_event_msg": (c_void_p, [c_void_p], ""),
    "zhash_first": (c_char_p, [c_void_p], ""),
    "zhash_next": (c_char_p, [c_void_p], ""),
    "zhash_cursor": (c_char_p, [c_void_p], ""),
    "zlist_first": (c_char_p, [c_void_p], ""),
    "zlist_next": (c_char_p, [c_void_p], ""),
    "zlist_destroy": (None, [POINTER(c_void_p)], ""),
    "zmsg_new": (c_void_p, [], ""),
    "zmsg_addmem": (c_int, [c_void_p, c_char_p, c_size_t], ""),
    "zmsg_first": (c_void_p, [c_void_p], ""),
    "zmsg_next": (c_void_p, [c_void_p], ""),
    "zframe_data": (c_void_p, [c_void_p], ""),
    "zframe_size": (c_size_t, [c_void_p], ""),
    "zsock_events": (c_int, [c_void_p], ""),
    "zstr_free": (None, [POINTER(c_void_p)], ""),
    "zsys_handler_set": (None, [c_void_p], ""),
    "zsys_set_ipv6": (None, [c_int], ""),
    "zcert_load": (c_void_p, [c_char_p], ""),
    "zactor_new": (c_void_p, [c_void_p, c_void_p], "wait"),
    "zactor_destroy": (None, [POINTER(c_void_p)], "wait"),
    "zstr_sendx": (c_int, [c_void_p, c_char_p, c_char_p, c_void_p], "wait"),
    "zsock_wait": (c_int, [c_void_p], "wait"),
}

ZMQ_POLLIN = 1


class Library:
    """The functions above, as attributes."""

    def __init__(self):
        package = importlib.util.find_spec("ingescape")
        if package is None:
            sys.exit("the Python package ingescape is missing (run testdata/peers/install.sh)")
        path = glob.glob(os.path.join(package.submodule_search_locations[0], "_ingescape*.so"))[0]
        unlocked, locked = ctypes.CDLL(path), ctypes.PyDLL(path)
        for name, (result, arguments, wait) in FUNCTIONS.items():
            function = getattr(unlocked if wait else locked, name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        self.zauth = ctypes.cast(unlocked.zauth, c_void_p)  # for zactor_new


class Node:
    """The application's half of a zyre node. A zyre_t has two sockets: one to its actor, for commands and their
    answers, and one on which events arrive. A czmq socket must not be shared between threads, so that the main thread
    alone uses the first one and the reader thread the second one."""

    def __init__(self, bot):
        options = bot.options
        bot.refuse("uuid")
        self._bot = bot
        self._lib = lib = Library()
        self._names = {}
        lib.zsys_handler_set(None)  # Python handles signals
        if options.ipv6:
            lib.zsys_set_ipv6(1)  # for everything in czmq, including beacons
        self._zyre = lib.zyre_new(options.name.encode() if options.name is not None else None)
        if len(options.interface) > 1:
            bot.refuse("interface")
        for interface in options.interface:
            lib.zyre_set_interface(self._zyre, interface.encode())
        for key, value in options.header:
            lib.zyre_set_header(self._zyre, key.encode(), b"%s", value.encode())
        if options.port is not None:
            lib.zyre_set_port(self._zyre, options.port)
        if options.interval is not None:
            lib.zyre_set_interval(self._zyre, options.interval)
        if options.evasive is not None:
            lib.zyre_set_evasive_timeout(self._zyre, options.evasive)
        if options.expired is not None:
            lib.zyre_set_expired_timeout(self._zyre, options.expired)
        for group in options.contest:  # it does not join the group
            lib.zyre_set_contest_in_group(self._zyre, group.encode())
            lib.zyre_join(self._zyre, group.encode())
        for group in options.group:
            lib.zyre_join(self._zyre, group.encode())
        self._auth = None
        for path in options.zauth:  # before the node, because its ROUTER asks zauth
            self._auth = self._authorize(path)
        for path in options.cert:
            zcert = lib.zcert_load(path.encode())
            if not zcert:
                sys.exit("zcert_load failed: %s" % path)
            lib.zyre_set_zcert(self._zyre, zcert)
        for endpoint in options.endpoint:  # no beacons from here on
            if lib.zyre_set_endpoint(self._zyre, b"%s", endpoint.encode()) != 0:
                sys.exit("zyre_set_endpoint failed: %s" % endpoint)
        for endpoint in options.advertise:
            lib.zyre_set_advertised_endpoint(self._zyre, endpoint.encode())
        for endpoint in options.gossip_bind:
            lib.zyre_gossip_bind(self._zyre, b"%s", endpoint.encode())
        for hub in options.gossip_connect:
            endpoint, secure, key = hub.partition("|")
            if secure:
                lib.zyre_gossip_connect_curve(self._zyre, key.encode(), b"%s", endpoint.encode())
            else:
                lib.zyre_gossip_connect(self._zyre, b"%s", endpoint.encode())
        if lib.zyre_start(self._zyre) != 0:
            sys.exit("zyre_start failed: no usable interface, or the beacon's port is taken")
        for peer in options.require_peer:
            identity, endpoint = peer.split("=", 1)
            endpoint, _, key = endpoint.partition("|")
            lib.zyre_require_peer(self._zyre, uuid.UUID(identity).hex.upper().encode(), endpoint.encode(), key.encode())
        # zyre has no function for its own endpoint; peers learn it from HELLO.
        bot.say(
            "ready",
            uuid=str(uuid.UUID(lib.zyre_uuid(self._zyre).decode())),
            name=lib.zyre_name(self._zyre).decode(),
        )
        bot.flush()
        self._reader = threading.Thread(target=self._read_events)
        self._reader.start()

    def _authorize(self, path):
        """Starts zauth, which accepts the keys of a folder, or any key with "*"."""
        lib = self._lib
        auth = lib.zactor_new(lib.zauth, None)
        lib.zstr_sendx(auth, b"CURVE", path.encode(), None)
        lib.zsock_wait(auth)
        return auth

    def _read_events(self):
        lib, inbox = self._lib, self._lib.zyre_socket(self._zyre)
        while True:
            if not lib.zsock_events(inbox) & ZMQ_POLLIN:
                self._bot.flush()  # before the wait
            event = c_void_p(lib.zyre_event_new(self._zyre))
            if not event:
                return
            kind = lib.zyre_event_type(event)
            if kind != b"STOP" and not (kind == b"WHISPER" and self._bot.counts()):
                self._bot.say(_text(kind.lower()), **self._fields(event))
            lib.zyre_event_destroy(byref(event))
            if kind == b"STOP":
                return

    def _fields(self, event):
        lib = self._lib
        peer = str(uuid.UUID(lib.zyre_event_peer_uuid(event).decode()))
        fields = {
            "peer": peer,
            "name": _text(lib.zyre_event_peer_name(event)),
            "group": _text(lib.zyre_event_group(event)),
            "endpoint": _text(lib.zyre_event_peer_addr(event)),
        }
        headers = lib.zyre_event_headers(event)
        if headers:
            fields.update(headers=self._dictionary(headers), transport="tcp")
            self._names[peer] = fields["name"]
        message = lib.zyre_event_msg(event)
        if message:
            fields.update(content(self._frames(message)))
        return fields

    def _dictionary(self, zhash):
        lib, result = self._lib, {}
        value = lib.zhash_first(zhash)
        while value is not None:
            result[_text(lib.zhash_cursor(zhash))] = _text(value)
            value = lib.zhash_next(zhash)
        return result

    def _frames(self, message):
        lib, frames = self._lib, []
        frame = lib.zmsg_first(message)
        while frame:
            frames.append(ctypes.string_at(lib.zframe_data(frame), lib.zframe_size(frame)))
            frame = lib.zmsg_next(message)
        return frames

    def _message(self, frames):
        lib = self._lib
        message = c_void_p(lib.zmsg_new())
        for frame in frames:
            lib.zmsg_addmem(message, frame, len(frame))
        return message

    def join(self, group):
        self._lib.zyre_join(self._zyre, group.encode())

    def leave(self, group):
        self._lib.zyre_leave(self._zyre, group.encode())

    def whisper(self, peer, frames):
        self._lib.zyre_whisper(self._zyre, peer.hex.upper().encode(), byref(self._message(frames)))

    def shout(self, group, frames):
        self._lib.zyre_shout(self._zyre, group.encode(), byref(self._message(frames)))

    def peers(self):
        lib, found = self._lib, []
        peers = c_void_p(lib.zyre_peers(self._zyre))
        identity = lib.zlist_first(peers)
        while identity is not None:
            found.append(identity)
            identity = lib.zlist_next(peers)
        lib.zlist_destroy(byref(peers))
        return [self._peer(identity) for identity in found]

    def _peer(self, identity):
        peer = str(uuid.UUID(identity.decode()))
        address = c_void_p(self._lib.zyre_peer_address(self._zyre, identity))
        endpoint = _text(ctypes.string_at(address)) if address else ""
        self._lib.zstr_free(byref(address))
        return {"peer": peer, "name": self._names.get(peer, ""), "endpoint": endpoint}

    def stop(self):
        self._lib.zyre_stop(self._zyre)
        self._reader.join()
        self._lib.zyre_destroy(byref(c_void_p(self._zyre)))
        if self._auth:
            self._lib.zactor_destroy(byref(c_void_p(self._auth)))


def _text(octets):
    return None if octets is None else octets.decode(errors="replace")


def main():
    bot = Bot("C zyre", "--endpoint", "--advertise", "--gossip-bind", "--gossip-connect", "--require-peer", "--contest", "--cert", "--zauth")
    node = Node(bot)
    bot.serve(node)
    node.stop()
    bot.exit()


if __name__ == "__main__":
    main()
