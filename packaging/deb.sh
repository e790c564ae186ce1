#!/usr/bin/env bash
# Makes a Debian package of a static binary, and tries it: installs it into an empty folder, runs the program, and looks for
# every manual page and completion.
#   packaging/deb.sh BINARY FOLDER            prints the path of the package
# Needs dpkg-deb. The binary must be for the architecture of this machine, because it writes the manual and the completions.
set -euo pipefail
binary=$(realpath "$1")
out=$2
cd "$(dirname "$0")/.."

version=$("$binary" --version | awk '{print $2}')
architecture=$(dpkg --print-architecture)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tree=$scratch/steadfast
documents=$tree/usr/share/doc/steadfast

install -D -m 755 "$binary" "$tree/usr/bin/steadfast"
mkdir -p "$tree/DEBIAN" "$documents" "$tree/usr/share/man/man1"
for completions in bash:bash-completion/completions/steadfast zsh:zsh/vendor-completions/_steadfast \
    fish:fish/vendor_completions.d/steadfast.fish; do
    path=$tree/usr/share/${completions#*:}
    mkdir -p "$(dirname "$path")"
    "$binary" completions "${completions%%:*}" >"$path"
done
"$binary" man --directory "$tree/usr/share/man/man1"
gzip -9n "$tree"/usr/share/man/man1/*
install -m 644 README.md "$documents/README.md"
gzip -9nc CHANGELOG.md >"$documents/changelog.gz"
{
    echo "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
    echo "Upstream-Name: steadfast"
    echo
    echo "Files: *"
    echo "Copyright: the steadfast authors"
    echo "License: MIT or Apache-2.0"
    sed -e 's/^$/./' -e 's/^/ /' LICENSE-MIT
    echo " ."
    echo " On Debian systems the Apache License 2.0 is in /usr/share/common-licenses/Apache-2.0."
} >"$documents/copyright"

# A static binary depends on nothing. What it is linked to otherwise would be missing on another release of Debian.
depends=
if ldd "$binary" 2>/dev/null | grep -q '=>'; then
    depends="Depends: libc6 (>= $(dpkg-query -W -f '${Version}' libc6 | sed 's/-.*//')), libgcc-s1"
fi
{
    echo "Package: steadfast"
    echo "Version: $version"
    echo "Architecture: $architecture"
    echo "Maintainer: The steadfast authors <steadfast@localhost>"
    echo "Section: database"
    echo "Priority: optional"
    echo "Installed-Size: $(du -ks "$tree/usr" | cut -f 1)"
    [ -z "$depends" ] || echo "$depends"
    echo "Description: verifies that stores keep their promises to sessions"
    echo " Records what clients did to a store while faults are injected, and decides"
    echo " whether any execution that a consistency level permits could have produced it:"
    echo " linearizability, session guarantees, causal consistency, isolation levels."
} >"$tree/DEBIAN/control"
find "$tree" -type d -exec chmod 755 {} +
find "$tree/usr/share" -type f -exec chmod 644 {} +

mkdir -p "$out"
package=$(realpath "$out")/steadfast_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$tree" "$package" >/dev/null

# Install it into an empty folder, with a database of dpkg of its own.
fail() { echo "$package: $*" >&2; exit 1; }
tried=$scratch/tried
mkdir -p "$tried"/var/lib/dpkg/{info,updates}
touch "$tried/var/lib/dpkg/status"
# A package for tests depends on libc6, which is not in the folder.
dpkg --root="$tried" --force-not-root ${depends:+--force-depends} --install "$package" >"$scratch/dpkg" 2>&1 \
    || { cat "$scratch/dpkg" >&2; fail "dpkg does not install it"; }
dpkg-query --admindir="$tried/var/lib/dpkg" -W -f '${db:Status-Abbrev}' steadfast | grep -q '^ii' || fail "it is not installed"
[ "$("$tried/usr/bin/steadfast" --version)" = "steadfast $version" ] || fail "the program does not run"
owners=$(dpkg-deb -c "$package" | awk '{print $2}' | sort -u)
[ "$owners" = root/root ] || fail "files belong to $owners"
# Every command that the help lists has its page.
commands=$("$tried/usr/bin/steadfast" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]\{1,\}\) .*/\1/p' | grep -v '^help$')
[ "$(wc -w <<<"$commands")" -ge 15 ] || fail "the help lists too few commands"
for page in steadfast $(printf 'steadfast-%s ' $commands); do
    gzip -dc "$tried/usr/share/man/man1/$page.1.gz" | grep -q '^\.TH' || fail "the manual page $page is missing"
done
for completions in bash-completion/completions/steadfast zsh/vendor-completions/_steadfast fish/vendor_completions.d/steadfast.fish; do
    [ -s "$tried/usr/share/$completions" ] || fail "the completions $completions are missing"
done
bash -n "$tried/usr/share/bash-completion/completions/steadfast" || fail "the completions for bash are no script"
if command -v man >/dev/null; then
    man --warnings -l "$tried/usr/share/man/man1/steadfast-check.1.gz" >/dev/null 2>"$scratch/warnings"
    [ ! -s "$scratch/warnings" ] || fail "the manual page has errors: $(head -n 3 "$scratch/warnings")"
fi
echo "$package"
