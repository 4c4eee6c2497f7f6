#!/bin/sh
# Builds zmq.c, which measures plain libzmq, as the file that the argument names. testdata/peers/debian.sh installs what it needs.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: build.sh FILE}

if ! command -v cc >/dev/null || ! [ -f /usr/include/zmq.h ] && ! [ -f /usr/local/include/zmq.h ]; then
	echo "build.sh: a C compiler or libzmq's header is missing; on Debian and Ubuntu, as root: apt-get install gcc libc6-dev libzmq3-dev" >&2
	exit 1
fi
exec cc -O2 -Wall -Wextra -o "$out" "$here/zmq.c" -lzmq -lpthread
