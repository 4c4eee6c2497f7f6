#!/bin/sh
# Installs what the tests need of the system and a bare Debian or Ubuntu lacks: a C compiler for the race detector, czmq and libzmq
# to test and measure beside, ip and nft for private networks, python3 and npm for the other implementations, tmux for the chat's screens, tshark for the dissector of Wireshark. It does so as root alone; others
# are told what is missing, and those tests are skipped, loudly.
set -eu

need=
want() { # COMMAND PACKAGE
	command -v "$1" >/dev/null || need="$need $2"
}
want gcc "gcc libc6-dev"
want ip iproute2
want nft nftables
want unshare util-linux
want python3 python3
want npm npm
want git git
want tmux tmux
want tshark tshark
[ -f /usr/include/czmq.h ] || need="$need libczmq-dev"
[ -f /usr/include/zmq.h ] || need="$need libzmq3-dev"
python3 -c 'import venv, ensurepip' 2>/dev/null || need="$need python3-venv"
[ -n "$need" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "debian.sh: missing:$need; on Debian and Ubuntu, as root: apt-get install$need" >&2
	exit 1
fi
echo "debian.sh: installing$need"
apt-get update -qq
# shellcheck disable=SC2086 # a list
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $need
