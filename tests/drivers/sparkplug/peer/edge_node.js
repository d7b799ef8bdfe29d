// A Sparkplug B edge node made of npm mqtt and sparkplug-payload: an independent peer of the host.
// node edge_node.js PORT GROUP NODE FOLDER_OF_NODE_MODULES
// Commands on stdin, one a line: change | gap | death DEVICE | birth | drop | quit
"use strict";
const [port, group, node, modules] = process.argv.slice(2);
const mqtt = require(require.resolve("mqtt", { paths: [modules] }));
const sparkplug = require(require.resolve("sparkplug-payload", { paths: [modules] })).get("spBv1.0");
const readline = require("readline");

let seq = 0;
const bdSeq = 7;
const now = () => Date.now();
const say = (text) => process.stdout.write(text + "\n");
const values = {
  "Inputs/temperature": ["Double", 20.5, "°C"],
  "Inputs/pressure": ["Float", 1.5, "bar"],
  "Inputs/int8": ["Int8", -5],
  "Inputs/int16": ["Int16", -300],
  "Inputs/int32": ["Int32", -70000],
  "Inputs/int64": ["Int64", -5000000000],
  "Inputs/uint8": ["UInt8", 200],
  "Inputs/uint16": ["UInt16", 60000],
  "Inputs/uint32": ["UInt32", 4000000000],
  "Inputs/running": ["Boolean", true],
  "Inputs/mode": ["String", "自动 auto"],
  "Outputs/speed": ["Double", 0],
  "Outputs/count": ["UInt32", 1],
  "Outputs/start": ["Boolean", false],
  "Outputs/recipe": ["String", "a"],
};
const names = Object.keys(values);

const will = sparkplug.encodePayload({
  timestamp: now(),
  metrics: [{ name: "bdSeq", type: "UInt64", value: bdSeq }],
});
const client = mqtt.connect({
  host: "::1", port: Number(port), family: 6, clean: true, reconnectPeriod: 0,
  will: { topic: `spBv1.0/${group}/NDEATH/${node}`, payload: Buffer.from(will), qos: 1 },
});
const send = (verb, device, metrics) => {
  const payload = { timestamp: now(), metrics, seq };
  seq = (seq + 1) % 256;
  const tail = device ? `/${device}` : "";
  client.publish(`spBv1.0/${group}/${verb}/${node}${tail}`, Buffer.from(sparkplug.encodePayload(payload)));
};
const metric = (name, birth) => {
  const [type, value, unit] = values[name];
  const one = { timestamp: now(), type, value, alias: 100 + names.indexOf(name) };
  if (birth) {
    one.name = name;
    if (unit) one.properties = { engUnit: { type: "String", value: unit } };
  }
  return one;
};
const birth = () => {
  seq = 0;
  send("NBIRTH", "", [
    { name: "bdSeq", type: "UInt64", value: bdSeq },
    { name: "Node Control/Rebirth", type: "Boolean", value: false },
    { name: "uptime", type: "Int64", value: 12, timestamp: now() },
  ]);
  send("DBIRTH", "press", names.map((name) => metric(name, true)));
};
client.on("connect", () => {
  client.subscribe([`spBv1.0/${group}/NCMD/${node}`, `spBv1.0/${group}/DCMD/${node}/+`], () => {
    birth();
    say("ready");
  });
});
client.on("message", (topic, data) => {
  for (const one of sparkplug.decodePayload(data).metrics || []) {
    if (one.name === "Node Control/Rebirth" && one.value === true) {
      say("rebirth asked");
      birth();
    } else {
      const name = one.name || names[Number(one.alias) - 100];
      if (!name || !(name in values) || !name.startsWith("Outputs/")) continue;
      values[name][1] = typeof one.value === "object" && one.value !== null ? Number(one.value) : one.value;
      say(`set ${name} ${values[name][1]}`);
      send("DDATA", "press", [metric(name, false)]);
    }
  }
});
client.on("error", (error) => { say(`error ${error.message}`); process.exit(1); });
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const [verb, device] = line.trim().split(" ");
  if (verb === "change") {
    values["Inputs/temperature"][1] += 1;
    send("DDATA", "press", names.map((name) => metric(name, false)));
  } else if (verb === "gap") {
    seq = (seq + 3) % 256;
    send("DDATA", "press", [metric("Inputs/temperature", false)]);
  } else if (verb === "death") {
    send("DDEATH", device, []);
  } else if (verb === "birth") {
    birth();
  } else if (verb === "drop") {
    client.stream.destroy();
    say("dropped");
  } else if (verb === "quit") {
    client.end(true, () => process.exit(0));
  }
});
