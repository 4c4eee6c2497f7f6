"""A peer on plain libzmq that speaks CURVE, and sends any given content in its HELLO, even a lie.

It connects to a node, says HELLO, listens for the node's own HELLO, and prints JSON lines of what comes of it:

    {"event":"handshake"}          the node's ROUTER has let the key in
    {"event":"refused","status":400}
    {"event":"closed"}             the connection has ended
    {"event":"hello"}              the node has dialled back, and said HELLO

It ends with its input.
"""

import argparse
import json
import os
import struct
import sys
import threading
import uuid

import zmq
import zmq.auth
from zmq.utils.monitor import recv_monitor_message

EVENTS = {
    zmq.EVENT_HANDSHAKE_SUCCEEDED: "handshake",
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "refused",
    zmq.EVENT_DISCONNECTED: "closed",
}


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def string(text):
    return struct.pack("!B", len(text)) + text.encode()


def long_string(text):
    return struct.pack("!I", len(text)) + text.encode()


def hello(endpoint, name, headers):
    """The octets of a HELLO (RFC 36) without groups."""
    message = b"\xaa\xa1\x01\x02" + struct.pack("!H", 1) + string(endpoint) + struct.pack("!I", 0) + b"\x00" + string(name)
    message += struct.pack("!I", len(headers))
    for key, value in headers.items():
        message += string(key) + long_string(value)
    return message


def main():
    p = argparse.ArgumentParser(allow_abbrev=False)
    p.add_argument("--address", required=True, help="its own, where it listens")
    p.add_argument("--cert", required=True, help="its secret certificate")
    p.add_argument("--node", required=True, metavar="ENDPOINT|KEY")
    p.add_argument("--uuid", required=True, type=uuid.UUID)
    p.add_argument("--header", help="what X-PUBLICKEY says; not given: its key; empty: there is none")
    options = p.parse_args()
    public, secret = zmq.auth.load_certificate(options.cert)
    endpoint, _, key = options.node.partition("|")
    context = zmq.Context()

    mailbox = context.socket(zmq.ROUTER)
    mailbox.curve_server, mailbox.curve_publickey, mailbox.curve_secretkey = True, public, secret
    port = mailbox.bind_to_random_port("tcp://" + options.address)

    dealer = context.socket(zmq.DEALER)
    dealer.routing_id = b"\x01" + options.uuid.bytes
    dealer.curve_serverkey, dealer.curve_publickey, dealer.curve_secretkey = key.encode(), public, secret
    dealer.linger = 0
    monitor = dealer.get_monitor_socket(sum(EVENTS))
    headers = {"X-PUBLICKEY": public.decode() if options.header is None else options.header}
    if options.header == "":
        headers = {}
    dealer.connect(endpoint)
    dealer.send(hello("tcp://%s:%d" % (options.address, port), "raw", headers))

    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    poller = zmq.Poller()
    poller.register(monitor, zmq.POLLIN)
    poller.register(mailbox, zmq.POLLIN)
    while True:
        for socket, _ in poller.poll():
            if socket is mailbox:
                if mailbox.recv_multipart()[1].startswith(b"\xaa\xa1\x01"):
                    say("hello")
                continue
            event = recv_monitor_message(monitor)
            fields = {"status": event["value"]} if event["event"] == zmq.EVENT_HANDSHAKE_FAILED_AUTH else {}
            say(EVENTS[event["event"]], **fields)


if __name__ == "__main__":
    main()
