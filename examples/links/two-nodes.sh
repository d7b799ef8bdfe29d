#!/bin/sh
# 一台机器上的中心与边缘，经 TLS 相连：docs/operate/edges.zh.md 的三步。
# A hub and an edge on one machine, linked over TLS: the three steps of docs/operate/edges.md.
#
#   sh examples/links/two-nodes.sh [folder]
#
# Ends with Ctrl-C. CONSOLE, LINK, EST and STATUS are the ports; BAOTU is the program.
set -eu
folder=${1:-links-demo}
baotu=${BAOTU:-baotu}
console=${CONSOLE:-8090} link=${LINK:-7448} est=${EST:-8444} status=${STATUS:-8091}

mkdir -p "$folder/hub" "$folder/edge"
cat > "$folder/hub/baotu.toml" <<HUB
[node]
name = "hub-1"
role = "hub"
[fabric]
listen = ["tls/localhost:$link"]
[console]
listen = "[::1]:$console"
[devices]
est_listen = "[::1]:$est"
status_listen = ""
HUB
cat > "$folder/edge/baotu.toml" <<EDGE
[node]
name = "edge-1"
role = "edge"
[fabric]
connect = ["tls/localhost:$link"]
[edge]
status = "[::1]:$status"
[[device]]
name = "recorder"
driver = "replay"
file = "pump.csv"
loop = true
asset = "plant/pump-1"
[[device.tag]]
property = "flow"
address = "flow"
EDGE
{ echo time,flow; for n in 0 1 2 3 4 5 6 7 8 9; do echo "$n,$((20 + n % 3))"; done; } > "$folder/edge/pump.csv"

hub="$folder/hub/baotu.toml" edge="$folder/edge/baotu.toml"
[ -e "$folder/hub/data/ca" ] || "$baotu" ca init --root-out "$folder/root.key" --config "$hub"
trap 'kill $running 2>/dev/null || true; wait' EXIT
trap 'exit 0' INT TERM
running=
"$baotu" run --config "$hub" & running="$running $!"

tries=0
until "$baotu" call devices.devices --config "$hub" > /dev/null 2>&1; do
  tries=$((tries + 1)); [ $tries -lt 60 ] || { echo "the hub did not start" >&2; exit 1; }
  sleep 1
done

if [ ! -e "$folder/edge/data/link/device.pem" ]; then
  # 1 at the hub, 2 at the edge, 3 at the edge
  "$baotu" call devices.admit name=edge-1 kind=node --config "$hub" > "$folder/ticket.json"
  ticket=$(sed -n 's/.*"ticket": *"\([^"]*\)".*/\1/p' "$folder/ticket.json"); rm "$folder/ticket.json"
  "$baotu" join "$ticket" --config "$edge"
fi
"$baotu" run --config "$edge" & running="$running $!"
"$baotu" doctor --config "$edge" || true

echo "中心 hub http://[::1]:$console/   边缘 edge http://[::1]:$status/"
wait
