"""A libzmq socket with CURVE, for tests. Keys are Z85.

    libzmq.py server SECRET                        a ROUTER: prints its port, and sends back what it gets
    libzmq.py client PORT SERVER PUBLIC SECRET     a DEALER: sends messages of two frames, and prints "ok" if they come back
"""

import sys

import zmq

role, *rest = sys.argv[1:]
context = zmq.Context()
if role == "server":
    s = context.socket(zmq.ROUTER)
    s.curve_server, s.curve_secretkey = 1, rest[0].encode()
    print(s.bind_to_random_port("tcp://127.0.0.1"), flush=True)
    while True:
        s.send_multipart(s.recv_multipart())
port, server, public, secret = rest
s = context.socket(zmq.DEALER)
s.linger, s.rcvtimeo = 0, 10000
s.heartbeat_ivl = 100
s.curve_serverkey, s.curve_publickey, s.curve_secretkey = server.encode(), public.encode(), secret.encode()
s.connect("tcp://127.0.0.1:" + port)
for size in 0, 1, 222, 223, 65536:
    sent = [b"size", bytes(i % 251 for i in range(size))]
    s.send_multipart(sent)
    if s.recv_multipart() != sent:
        sys.exit("%d octets came back altered" % size)
print("ok")
