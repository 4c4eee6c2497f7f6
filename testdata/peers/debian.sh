#!/bin/sh
# Installs the packages that the tests need and a bare Debian or Ubuntu lacks: a C compiler for the race detector, czmq and libzmq
# to test and measure beside, ip and nft for private networks, python3 and npm for the other implementations, tmux for the chat's screens,
# tshark for the Wireshark dissector, chromium for the page of zre map, zsh for the commands of the documentation.
#
#   debian.sh          lists what is missing, and asks before it installs anything; without a terminal it installs nothing
#   debian.sh --yes    does not ask
#
# It needs root. It leaves out a package that would upgrade an installed one, and names it. With ZRE_REQUIRE=all, as in CI,
# it does not ask, and upgrades are allowed. The exit status is 0 if nothing is missing at the end.
set -eu

yes=
[ "${1:-}" != --yes ] || yes=1
[ "${ZRE_REQUIRE:-}" != all ] || yes=1

need=
want() { # COMMAND PACKAGE...
	command -v "$1" >/dev/null || need="$need $2"
}
want gcc "gcc libc6-dev"
want ip iproute2
want nft nftables
want unshare util-linux
want python3 python3
want npm npm
want git git
want chromium chromium
want tmux tmux
want tshark tshark
want zsh zsh
root=${DEBIAN_ROOT:-} # for the test of this script
[ -f "$root/usr/include/czmq.h" ] || need="$need libczmq-dev"
[ -f "$root/usr/include/zmq.h" ] || need="$need libzmq3-dev"
python3 -c 'import venv, ensurepip' 2>/dev/null || need="$need python3-venv"
[ -n "$need" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "debian.sh: missing:$need" >&2
	echo "debian.sh: the tests that need them are skipped. On Debian and Ubuntu, as root: apt-get install$need" >&2
	exit 1
fi

# would prints what apt-get would do to install its arguments.
would() {
	LC_ALL=C apt-get install --simulate --no-install-recommends "$@" 2>/dev/null
}

[ -z "$yes" ] || apt-get update -qq
if [ "${ZRE_REQUIRE:-}" != all ]; then
	fit=
	for package in $need; do
		upgraded=$(would "$package" | sed -n 's/^Inst \([^ ]*\) \[.*/\1/p' | tr '\n' ' ')
		if [ -n "$upgraded" ]; then
			echo "debian.sh: $package is left out, since it would upgrade what is there: $upgraded" >&2
			echo "debian.sh: to have it all the same: apt-get install $package" >&2
			left=1
		else
			fit="$fit $package"
		fi
	done
	need=$fit
	[ -n "$need" ] || exit 1
fi

if [ -z "$yes" ]; then
	echo "debian.sh: the tests need packages that are not installed:$need"
	# shellcheck disable=SC2086 # a list
	LC_ALL=C apt-get install --assume-no --no-install-recommends $need 2>/dev/null | grep -E '^(Need to get|After this operation)' || true
	echo "debian.sh: to install them takes a few minutes. Without them, the tests that need them are skipped."
	if [ ! -t 0 ]; then
		echo "debian.sh: nothing is installed without a terminal to ask at; testdata/peers/debian.sh --yes does it" >&2
		exit 1
	fi
	printf 'debian.sh: install them now? [y/N] '
	read -r answer
	case $answer in
	y | Y | yes) apt-get update -qq ;;
	*) exit 1 ;;
	esac
fi

echo "debian.sh: installing$need"
# shellcheck disable=SC2086 # a list
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $need
[ -z "${left:-}" ]
