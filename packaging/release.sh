#!/usr/bin/env bash
# Makes what a release consists of, from a clean checkout: a static binary, completions and manual pages, a .deb that was tried, a wheel, a
# software bill of materials, and checksums of all of it. What a tool is missing for is left out, and the end says so.
#   packaging/release.sh [FOLDER]            default: target/dist
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-target/dist}
mkdir -p "$out"
left_out=()

version=$(cargo metadata --no-deps --format-version 1 \
    | python3 -c 'import json,sys; print(next(p["version"] for p in json.load(sys.stdin)["packages"] if p["name"] == "steadfast"))')
host=$(rustc -vV | sed -n 's/^host: //p')

# Static: glibc is linked in. With --target the flag does not reach build scripts and macros, which must not be static.
RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target "$host"
binary=target/$host/release/steadfast
if ldd "$binary" >/dev/null 2>&1; then
    ldd "$binary" | grep -q 'statically linked' || { echo "$binary is not static"; exit 1; }
fi

name=steadfast-$version-$host
rm -rf "${out:?}/$name"
mkdir -p "$out/$name/completions" "$out/$name/man"
cp "$binary" README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$out/$name/"
"$binary" completions bash >"$out/$name/completions/steadfast"
"$binary" completions zsh >"$out/$name/completions/_steadfast"
"$binary" completions fish >"$out/$name/completions/steadfast.fish"
"$binary" man --directory "$out/$name/man"
tar -C "$out" --sort=name --owner=0 --group=0 --numeric-owner -czf "$out/$name.tar.gz" "$name"

if command -v dpkg-deb >/dev/null; then
    packaging/deb.sh "$binary" "$out"
else
    left_out+=("the .deb: dpkg-deb is not installed")
fi

if command -v maturin >/dev/null; then
    maturin build --release --locked --manifest-path python/Cargo.toml --out "$out"
else
    left_out+=("the wheel: maturin is not installed")
fi

python3 packaging/bill_of_materials.py >"$out/$name.cdx.json"

(cd "$out" && sha256sum -- *.tar.gz *.cdx.json $(ls -- *.deb *.whl 2>/dev/null) >SHA256SUMS)
rm -rf "${out:?}/$name"
ls -l "$out"
for what in "${left_out[@]}"; do echo "left out: $what"; done
