#!/bin/sh
# Builds the site from docs/ into .cache/site. A link that leads nowhere, and a page that the navigation lacks, are errors.
set -eu
cd "$(dirname "$0")/../.."
venv=.cache/docs
want="$(cksum <tools/docs/requirements.txt) $(python3 --version)"
if [ "$(cat $venv/.stamp 2>/dev/null)" != "$want" ]; then
	rm -rf $venv
	python3 -m venv $venv
	$venv/bin/pip install --quiet --disable-pip-version-check --requirement tools/docs/requirements.txt
	echo "$want" >$venv/.stamp
fi
# --strict counts the warnings that are shown, so --quiet would have it pass.
# By the module, as the script mkdocs has the path of the checkout that made it.
$venv/bin/python -m mkdocs build --strict --config-file tools/docs/mkdocs.yml >.cache/docs/log 2>&1 || {
	cat .cache/docs/log >&2
	exit 1
}
echo "the site: .cache/site/index.html"
