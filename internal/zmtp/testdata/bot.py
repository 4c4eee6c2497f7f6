"""A libzmq socket driven by JSON lines, for interop_test.go: one command a line on stdin, one answer a line on stdout."""
import json
import sys
import time

import zmq
from zmq.utils.monitor import recv_monitor_message

context = zmq.Context()
socket = monitor = None
WAIT = 20_000  # ms


def recv():
    if not socket.poll(WAIT):
        raise TimeoutError("no message came")
    return socket.recv_multipart(copy=False)


def do_socket(c):
    """makes the socket and binds or connects it; answers the endpoint"""
    global socket, monitor
    socket = context.socket(getattr(zmq, c["type"]))
    socket.linger = 0
    for name, value in (c.get("options") or {}).items():
        socket.setsockopt(getattr(zmq, name), value.encode() if isinstance(value, str) else value)
    if c.get("identity"):
        socket.setsockopt(zmq.ROUTING_ID, bytes.fromhex(c["identity"]))
    monitor = socket.get_monitor_socket()
    if "connect" in c:
        socket.connect(c["connect"])
        return {}
    socket.bind("tcp://127.0.0.1:*")
    return {"endpoint": socket.last_endpoint.decode()}


def do_auth(c):
    """lets only clients with these keys (Z85) in, from now on; none at all if there is none"""
    from zmq.auth.thread import ThreadAuthenticator

    class Keys:
        def callback(self, domain, key):
            return key.decode() in c["keys"]

    global auth
    auth = ThreadAuthenticator(context)
    auth.start()
    auth.configure_curve_callback("*", Keys())
    return {}


def do_send(c):
    socket.send_multipart([bytes.fromhex(f) for f in c["frames"]])
    return {}


def do_recv(c):
    """answers one message, and a property of the peer's metadata"""
    frames = recv()
    try:
        value = frames[-1].get(c.get("property", ""))
    except (zmq.ZMQError, KeyError):
        value = ""
    return {"frames": [bytes(f).hex() for f in frames], "property": value}


def do_echo(c):
    """sends the next n messages back; a ROUTER's routing id leads them to their sender"""
    for _ in range(c["n"]):
        socket.send_multipart(recv())
    return {}


def do_flood(c):
    """sends n messages of a number and a body"""
    body = b"x" * c["size"]
    for i in range(c["n"]):
        socket.send_multipart([i.to_bytes(4, "big"), body])
    return {}


def do_count(c):
    """receives n such messages; answers how many were out of order"""
    bad = 0
    for i in range(c["n"]):
        frames = recv()
        bad += bytes(frames[-2]) != i.to_bytes(4, "big") or len(frames[-1].bytes) != c["size"]
    return {"bad": bad}


def do_events(c):
    """answers the monitor's events of the next so many ms"""
    events, end = [], time.monotonic() + c["ms"] / 1000
    while (left := end - time.monotonic()) > 0:
        if monitor.poll(left * 1000):
            events.append(recv_monitor_message(monitor)["event"].name)
    return {"events": events}


def do_close(c):
    socket.disable_monitor()
    socket.close()
    return {}


for line in sys.stdin:
    command = json.loads(line)
    try:
        answer = globals()["do_" + command["do"]](command)
    except Exception as e:  # the test must see it
        answer = {"error": repr(e)}
    print(json.dumps(answer), flush=True)
