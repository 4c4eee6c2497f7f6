"""czmq's certificates, for tests: the library is in the Python package ingescape, and is called through ctypes.

    czmq.py make PATH [NAME VALUE]...    makes and saves a certificate
    czmq.py show PATH [NAME]...          loads one, and prints its keys and those properties
    czmq.py find FOLDER KEY              looks a public key up in a folder, as zauth does
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
