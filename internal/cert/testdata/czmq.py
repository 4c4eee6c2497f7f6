"""czmq's certificates, for tests: the library is in the Python package ingescape, and is called through ctypes.

    czmq.py make PATH [NAME VALUE]...    makes and saves a certificate
    czmq.py show PATH [NAME]...          loads one, and prints its keys and those properties
    czmq.py find FOLDER KEY              looks a public key up in a folder, as zauth does
    czmq.py auth FOLDER [PATH]...        has zauth judge the owners of certificates by a folder, and prints "in" or "out" for each
"""

import ctypes
import importlib.util
import os
import sys
from ctypes import c_char_p, c_void_p

folder = importlib.util.find_spec("ingescape").submodule_search_locations[0]
library = ctypes.CDLL([os.path.join(folder, f) for f in os.listdir(folder) if f.startswith("_ingescape")][0])


def function(name, result, *arguments):
    f = getattr(library, name)
    f.restype, f.argtypes = result, arguments
    return f


verb, path, *rest = sys.argv[1:]
rest = [r.encode() for r in rest]
if verb == "make":
    cert = function("zcert_new", c_void_p)()
    for name, value in zip(rest[::2], rest[1::2]):
        function("zcert_set_meta", None, c_void_p, c_char_p, c_char_p, c_char_p)(cert, name, b"%s", value)
    sys.exit(function("zcert_save", ctypes.c_int, c_void_p, c_char_p)(cert, path.encode()))
if verb == "auth":
    PULL, PUSH = 7, 8
    new_socket = function("zsock_new", c_void_p, ctypes.c_int)
    apply = function("zcert_apply", None, c_void_p, c_void_p)
    wait = function("zsock_wait", ctypes.c_int, c_void_p)
    send = library.zstr_sendx
    auth = function("zactor_new", c_void_p, c_void_p, c_void_p)(ctypes.cast(library.zauth, c_void_p), None)
    send(c_void_p(auth), c_char_p(b"CURVE"), c_char_p(path.encode()), None)
    wait(auth)
    certificate = function("zcert_new", c_void_p)()
    server = new_socket(PULL)
    apply(certificate, server)
    function("zsock_set_curve_server", None, c_void_p, ctypes.c_int)(server, 1)
    function("zsock_set_rcvtimeo", None, c_void_p, ctypes.c_int)(server, 1000)
    port = function("zsock_bind", ctypes.c_int, c_void_p, c_char_p)(server, b"tcp://127.0.0.1:*")
    for name in rest:
        owner = function("zcert_load", c_void_p, c_char_p)(name)
        client = new_socket(PUSH)
        apply(owner, client)
        key = function("zcert_public_txt", c_char_p, c_void_p)(certificate)
        function("zsock_set_curve_serverkey", None, c_void_p, c_char_p)(client, key)
        function("zsock_connect", ctypes.c_int, c_void_p, c_char_p)(client, b"tcp://127.0.0.1:%d" % port)
        send(c_void_p(client), c_char_p(name), None)
        print("in" if function("zstr_recv", c_char_p, c_void_p)(server) == name else "out", flush=True)
    os._exit(0)  # without waiting for what was not sent
if verb == "show":
    cert = function("zcert_load", c_void_p, c_char_p)(path.encode())
else:
    store = function("zcertstore_new", c_void_p, c_char_p)(path.encode())
    cert = function("zcertstore_lookup", c_void_p, c_void_p, c_char_p)(store, rest.pop())
if not cert:
    sys.exit("czmq finds no certificate")
print(function("zcert_public_txt", c_char_p, c_void_p)(cert).decode())
print(function("zcert_secret_txt", c_char_p, c_void_p)(cert).decode())
for name in rest:
    print((function("zcert_meta", c_char_p, c_void_p, c_char_p)(cert, name) or b"").decode())
