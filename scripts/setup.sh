# Sourced by the other scripts: makes sure that everything the build needs is there.
#
# Packages come from the system, libtorch from pip into .venv. Respected when set: Torch_DIR,
# CMAKE_PREFIX_PATH with a libtorch in it, CC, CXX. Nothing is changed when all is in place.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
torch_version=2.13.0
minimum_gcc=12
minimum_cmake=3.25

packages=(
  g++ cmake ninja-build ccache mold pkg-config python3 python3-venv
  libbenchmark-dev libboost-dev libcli11-dev libcsv-dev libfmt-dev libgloo-dev libicu-dev libopencv-imgproc-dev libpcre2-dev libcurl4-openssl-dev
  libsentencepiece-dev libspng-dev libssl-dev libtomlplusplus-dev libturbojpeg0-dev libwebp-dev nlohmann-json3-dev doctest-dev
  zlib1g-dev
)

# What only tests need; they skip what is not there.
test_packages=(rustc clang mkdocs abigail-tools)
[ -n "${GESSO_WITH_TESTS:-}" ] && packages+=("${test_packages[@]}")

say() { printf '%s\n' "$*" >&2; }
fail() { say "setup: $*"; exit 1; }
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

install_packages() {
  command -v dpkg-query >/dev/null || {
    say "setup: no Debian packages here; expecting the libraries of scripts/setup.sh to be installed"
    return 0
  }
  # Ubuntu 22.04 has g++ 11 by default.
  if ! command -v "${CXX:-g++}" >/dev/null || ! at_least "$("${CXX:-g++}" -dumpversion)" $minimum_gcc; then
    packages+=(g++-$minimum_gcc)
  fi
  local missing=() package
  for package in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local line="apt-get install -y --no-install-recommends ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    say "setup: packages are missing. Install them, then call this again:"
    say "  sudo $line"
    exit 1
  fi
  say "setup: installing ${missing[*]}"
  DEBIAN_FRONTEND=noninteractive
  export DEBIAN_FRONTEND
  { apt-get update -q && $line; } >"$root/.setup.log" 2>&1 ||
    { tail -n 20 "$root/.setup.log" >&2; fail "apt-get failed; see .setup.log"; }
}

choose_compiler() {
  [ -n "${CXX:-}" ] && return 0
  if command -v g++ >/dev/null && at_least "$(g++ -dumpversion)" $minimum_gcc; then return 0; fi
  export CC=gcc-$minimum_gcc CXX=g++-$minimum_gcc
}

has_torch() {
  [ -n "${Torch_DIR:-}" ] && return 0
  local prefix
  IFS=':;' read -ra prefixes <<<"${CMAKE_PREFIX_PATH:-}"
  for prefix in "${prefixes[@]}"; do
    [ -e "$prefix/share/cmake/Torch/TorchConfig.cmake" ] || [ -e "$prefix/Torch/TorchConfig.cmake" ] && return 0
  done
  [ -e "$root/.venv/torch-$torch_version" ]
}

install_torch() {
  has_torch && return 0
  say "setup: fetching libtorch $torch_version into .venv"
  [ -e "$root/.venv/bin/pip" ] || python3 -m venv "$root/.venv" || fail "python3 -m venv failed"
  "$root/.venv/bin/pip" install --quiet --disable-pip-version-check "torch==$torch_version" >"$root/.setup.log" 2>&1 ||
    { tail -n 20 "$root/.setup.log" >&2; fail "pip could not install torch==$torch_version; see .setup.log"; }
  touch "$root/.venv/torch-$torch_version"
}

install_cmake() {
  local found
  found=$(cmake --version 2>/dev/null | sed -n '1s/[^0-9]*//p')
  if [ -n "$found" ] && at_least "$found" $minimum_cmake; then return 0; fi
  [ -e "$root/.venv/bin/pip" ] || python3 -m venv "$root/.venv" || fail "python3 -m venv failed"
  [ -e "$root/.venv/bin/cmake" ] || "$root/.venv/bin/pip" install --quiet "cmake>=$minimum_cmake,<4" ||
    fail "cmake $minimum_cmake or later is needed, found ${found:-none}"
  export PATH="$root/.venv/bin:$PATH"
}

install_packages
choose_compiler
install_torch
install_cmake

# build_targets [TARGET...]: configures once, then builds; no target: everything.
build_targets() {
  cd "$root" || exit 1
  if [ ! -e build/release/build.ninja ]; then
    cmake --preset release >"$root/.setup.log" 2>&1 || { tail -n 30 "$root/.setup.log" >&2; fail "cmake failed; see .setup.log"; }
  fi
  local targets=()
  [ $# -gt 0 ] && targets=(--target "$@")
  cmake --build build/release "${targets[@]}" >&2
}
