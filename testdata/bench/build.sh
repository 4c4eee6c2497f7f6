#!/bin/sh
# Builds zmq.c, which measures plain libzmq, as the file that the argument names. What it needs of the machine, a C compiler and
# libzmq with its header, it installs on Debian when it runs as root.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: build.sh FILE}

missing=
command -v cc >/dev/null || missing="gcc libc6-dev"
[ -f /usr/include/zmq.h ] || [ -f /usr/local/include/zmq.h ] || missing="$missing libzmq3-dev"
if [ -n "$missing" ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "build.sh: missing: $missing; on Debian and Ubuntu, as root: apt-get install $missing" >&2
		exit 1
	fi
	echo "build.sh: installing $missing" >&2
	apt-get update -qq >&2
	# shellcheck disable=SC2086 # a list
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
fi
exec cc -O2 -Wall -Wextra -o "$out" "$here/zmq.c" -lzmq -lpthread
