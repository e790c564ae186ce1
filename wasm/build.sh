#!/usr/bin/env bash
# Builds the package for npm and the page for browsers.
#   wasm/build.sh [FOLDER]            default: target/browser
#
# Needs Node, rustup's cargo, and a compiler that can build for wasm32-unknown-unknown. If rustup has the target, that is all.
# Otherwise the compiler and the sources of the standard library are taken from Debian's packages, unpacked into
# target/wasm-toolchain; nothing is installed. Ends with code 4 if neither can be had.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
out=${1:-$root/target/browser}
toolchain=$root/target/wasm-toolchain
target=wasm32-unknown-unknown
sysroot=$(rustc --print sysroot)
words=()

# Fetches Debian's compiler, whose package of sources fits it exactly.
fetch_debian_toolchain() {
    local debs=$toolchain/debs library llvm version needed
    rm -rf "$toolchain"
    mkdir -p "$debs"
    [ "$(uname -m)" = x86_64 ] || return 1
    apt-get update -qq || true
    (cd "$debs" && apt-get download -qq -o APT::Sandbox::User=root rustc-web libstd-rust-web-dev rust-web-src) || return 1
    version=$(dpkg-deb -f "$debs"/rustc-web_*.deb Version)
    needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' wasm/Cargo.toml)
    dpkg --compare-versions "$version" ge "$needed" || { echo "Debian has rustc $version, and $needed is needed"; return 1; }
    # The version of the library with the compiler in it, and of its LLVM, are in the names of packages.
    library=$(dpkg-deb -f "$debs"/libstd-rust-web-dev_*.deb Depends | grep -oE 'libstd-rust-web-[0-9.]+' | head -n 1)
    (cd "$debs" && apt-get download -qq -o APT::Sandbox::User=root "$library") || return 1
    llvm=$(dpkg-deb -f "$debs/$library"_*.deb Depends | grep -oE 'libllvm[0-9]+' | head -n 1)
    (cd "$debs" && apt-get download -qq -o APT::Sandbox::User=root "$llvm") || return 1
    for deb in "$debs"/*.deb; do dpkg-deb -x "$deb" "$toolchain/root"; done
    rm -rf "$debs" "$toolchain"/root/usr/src/*/compiler "$toolchain"/root/usr/src/*/src/{doc,llvm-project,tools,ci}
    "$toolchain/root/usr/bin/rustc" --version >"$toolchain/complete"
}

if [ ! -d "$sysroot/lib/rustlib/$target" ]; then
    export LD_LIBRARY_PATH=$toolchain/root/usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    if [ ! -f "$toolchain/complete" ]; then
        fetch_debian_toolchain || { echo "no compiler for $target can be had: neither from rustup nor from Debian"; exit 4; }
    fi
    export RUSTC=$toolchain/root/usr/bin/rustc RUSTC_BOOTSTRAP=1
    words=(-Zbuild-std=std,panic_abort)
    linker=$sysroot/lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linker
fi

CARGO_TARGET_DIR=$root/target/wasm cargo build --release --locked --target "$target" --manifest-path wasm/Cargo.toml "${words[@]}"
rm -rf "${out:?}"
mkdir -p "$out"
node wasm/assemble.mjs "$root/target/wasm/$target/release/steadfast_wasm.wasm" "$out"
ls -l "$out" "$out/steadfast-wasm"
