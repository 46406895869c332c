#!/bin/sh
# Makes .venv hold exactly what requirements.lock names, and the project itself in place (editable).
#
# Does nothing when it already does: the stamp, written last, holds the sum of all that matters. A run that was
# interrupted leaves no stamp but the marker `.installing`, and the next run begins with an empty .venv.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

say() { printf '%s\n' "$*"; }
fail() { printf 'homeward: %s\n' "$*" >&2; exit 1; }

command -v "$python" >/dev/null 2>&1 ||
    fail "no '$python' found: install Python 3.11 or newer, or name one with 'make PYTHON=python3.12 …'."
version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "'$python' is Python $version, and 3.11 or newer is needed: name another with 'make PYTHON=python3.12 …'."

exec 9<pyproject.toml # two `make`s at once take turns here
! command -v flock >/dev/null 2>&1 || flock 9

stamp=.venv/.installed
want=$({ cat pyproject.toml requirements.lock deploy/setup.sh; pwd; say "$version"; } | sha256sum)
[ "$(cat "$stamp" 2>/dev/null)" != "$want" ] || exit 0

if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then # Debian ships them apart
    short=$(say "$version" | cut -d. -f1,2)
    package="python$short-venv"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "Installing Debian's $package …"
        apt-get install -y -qq "$package" >/dev/null 2>&1 ||
            { apt-get update -qq && apt-get install -y -qq "$package"; } >/dev/null ||
            fail "could not install $package: install it by hand, then run this again."
    else
        fail "'$python' cannot make a virtual environment: run 'sudo apt-get install $package', then this again."
    fi
fi

say "Setting up .venv (once, about half a minute) …"
if [ -e .venv/.installing ] || ! .venv/bin/python -c 'import pip, sys; sys.exit(sys.prefix == sys.base_prefix)' 2>/dev/null ||
    [ "$(.venv/bin/python -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')" != "$version" ]; then
    rm -rf .venv
    "$python" -m venv .venv
fi
: >.venv/.installing
rm -f "$stamp"

pip() { .venv/bin/python -m pip --quiet --quiet --disable-pip-version-check --no-input "$@"; }
pip install --require-hashes -r requirements.lock ||
    fail "the packages of requirements.lock could not be installed (the lines above say why): run this again."
pip install --no-deps --no-build-isolation --editable . ||
    fail "the project itself could not be installed in .venv (the lines above say why)."

rm -f .venv/.installing
say "$want" >"$stamp"
say "Ready: .venv holds Python $version and $(grep -c '==' requirements.lock) locked packages."
