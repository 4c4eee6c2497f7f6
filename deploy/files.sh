#!/bin/sh
# Makes the files of a release that the tool itself generates: man pages and completions.
#
#   files.sh DIRECTORY VERSION
set -eu
cd "$(dirname "$0")/.."
dir=$1
version=$2

rm -rf "$dir"
mkdir -p "$dir/man" "$dir/completions"
# Build for this machine, whatever system the release is for.
GOOS='' GOARCH='' CGO_ENABLED=0 go build -ldflags "-X github.com/go-zre/go-zre/zre.version=$version" -o "$dir/" ./cmd/zre ./cmd/zrechat
"$dir/zre" man "$dir/man"
"$dir/zrechat" --man >"$dir/man/zrechat.1"
gzip -9n "$dir"/man/*.1
"$dir/zre" completion bash >"$dir/completions/zre.bash"
"$dir/zre" completion zsh >"$dir/completions/_zre"
"$dir/zre" completion fish >"$dir/completions/zre.fish"
"$dir/zre" completion powershell >"$dir/completions/zre.ps1"
rm "$dir/zre" "$dir/zrechat"
