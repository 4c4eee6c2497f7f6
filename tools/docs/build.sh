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
# Material for MkDocs prints advertisements for its successor; they are no warnings of ours.
NO_MKDOCS_2_WARNING=1 $venv/bin/mkdocs --quiet build --strict --config-file tools/docs/mkdocs.yml
echo "the site: .cache/site/index.html"
