#!/bin/sh
# Writes requirements.lock: exact versions with the hashes of every wheel and source archive, for Python 3.11 and
# newer on every machine, from the ranges in pyproject.toml. It names no index: the reader's own is used, and the
# hashes say whether it served the same files. The tool that resolves lives in a folder of its own and is not locked.
# What only `make mutants` needs is locked apart, in tests/mutants/requirements.lock, so that no home installs it.
set -eu
cd "$(dirname "$0")/.."
tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
.venv/bin/python -m venv "$tool"
"$tool/bin/python" -m pip --quiet --disable-pip-version-check install 'uv~=0.13'

lock() { # FILE, then what to resolve
    file=$1
    shift
    {
        echo '# Made by "make lock" from pyproject.toml. Do not edit; installed with --require-hashes.'
        "$tool/bin/uv" pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
            --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet "$@"
    } >"$tool/lock"
    cp "$tool/lock" "$file"
    echo "$file names $(grep -c '==' "$file") packages."
}

lock requirements.lock --extra dev "$@"
lock tests/mutants/requirements.lock --extra mutants --constraints requirements.lock "$@"
