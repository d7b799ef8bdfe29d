#!/bin/sh
# Installs the independent peers of the tests: Debian packages when we are root on Debian, npm
# packages when npm is there. Anything that cannot be had is named; the tests then skip it, or
# fail when CI=true. `install_peers.sh bench` adds the peers of the benchmarks.
cd "$(dirname "$0")/.." || exit 1
packages=""
want() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || packages="$packages $2"; }
want mosquitto mosquitto
want mosquitto_sub mosquitto-clients
want mbpoll mbpoll
want chromium chromium
want curl curl
want openssl openssl
want node nodejs
want npm npm
want ip iproute2
want go golang-go
want oathtool oathtool
[ -x /usr/lib/postgresql/15/bin/postgres ] || packages="$packages postgresql-15"
[ "$1" != bench ] || want victoria-metrics victoria-metrics
[ "$1" != bench ] || want restic restic
fc-list 2>/dev/null | grep -qi cjk || packages="$packages fonts-noto-cjk"
if [ -n "$packages" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "peers: installing$packages"
    export DEBIAN_FRONTEND=noninteractive
    mkdir -p .peers
    { apt-get update && apt-get install -y --no-install-recommends $packages; } > .peers/apt.log 2>&1 \
      || { echo "peers: apt-get failed:"; tail -5 .peers/apt.log; }
  else
    echo "peers: missing$packages (as root: apt-get install$packages)"
  fi
fi
if command -v npm >/dev/null 2>&1; then
  if ! cmp -s tests/peers.package.json .peers/npm/package.json; then
    echo "peers: installing npm packages"
    mkdir -p .peers/npm
    cp tests/peers.package.json .peers/npm/package.new
    mv .peers/npm/package.new .peers/npm/package.json
    (cd .peers/npm && npm install --no-audit --no-fund --loglevel=error > install.log 2>&1) \
      || { echo "peers: npm failed:"; tail -5 .peers/npm/install.log; rm -f .peers/npm/package.json; }
  fi
fi
# schemathesis brings forty packages that nothing else here needs: it has an environment of its own
if [ ! -x .peers/schemathesis/bin/schemathesis ]; then
  echo "peers: installing schemathesis"
  mkdir -p .peers
  { python3 -m venv .peers/schemathesis \
    && .peers/schemathesis/bin/pip install --quiet --prefer-binary 'schemathesis>=4'; } \
    > .peers/schemathesis.log 2>&1 || { echo "peers: pip failed:"; tail -5 .peers/schemathesis.log; }
fi
if command -v go >/dev/null 2>&1 && { [ ! -x .peers/tlogpeer ] || [ tests/trust/audit/peer/main.go -nt .peers/tlogpeer ]; }; then
  echo "peers: building tlogpeer"
  mkdir -p .peers
  (cd tests/trust/audit/peer && GOFLAGS=-mod=readonly go build -o ../../../../.peers/tlogpeer . \
    > ../../../../.peers/go.log 2>&1) || { echo "peers: go build failed:"; tail -5 .peers/go.log; }
fi
exit 0
