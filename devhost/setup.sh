#!/bin/sh
# Creates .venv with Python 3.13 and everything in requirements-dev.lock. Does nothing when that is there already.
set -eu

wanted=3.13
lock=requirements-dev.lock
stamp=.venv/installed

is_wanted() {  # A version manager's shim can be on PATH and still fail, so the interpreter itself is asked.
    "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1
}

fail() {
    echo "$1" >&2
    exit 1
}

is_ready() {  # An installation that was broken off can leave a Python without pip.
    is_wanted .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1
}

find_python() {
    for candidate in python$wanted python3 python; do
        if is_wanted "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    for candidate in "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/$wanted.*/bin/python; do
        if is_wanted "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

create_venv() {
    rm -rf .venv
    if [ -n "${PYTHON:-}" ]; then
        is_wanted "$PYTHON" || fail "PYTHON=$PYTHON is not a Python $wanted."
        "$PYTHON" -m venv .venv
    elif python=$(find_python); then
        "$python" -m venv .venv
    elif command -v uv >/dev/null 2>&1; then
        echo "Python $wanted is not installed; asking uv for it"
        # Managed only: uv would stop at a shim that fails.
        uv venv --quiet --seed --managed-python --python $wanted .venv ||
            fail "uv could not get Python $wanted: install it from python.org, or say PYTHON=/path/to/python$wanted."
    else
        fail "This project needs Python $wanted: install it (python.org, pyenv or uv), or say PYTHON=/path/to/python$wanted."
    fi
}

sum=$(cksum <$lock)
if [ -f $stamp ] && [ "$(cat $stamp)" = "$sum" ] && is_wanted .venv/bin/python; then
    exit 0
fi
is_ready || create_venv
echo "Installing the packages of $lock (about a minute, once)"
.venv/bin/python -m pip install --require-hashes -r $lock
if [ ! -f local.settings.json ]; then
    cp local.settings.sample.json local.settings.json
fi
echo "$sum" >$stamp
