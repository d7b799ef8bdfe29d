// A Sparkplug B host made of npm mqtt and sparkplug-payload: what an outsider sees of our node.
// node host.js PORT FOLDER_OF_NODE_MODULES; prints one JSON object for each message.
// Commands on stdin: rebirth GROUP NODE | write TOPIC ALIAS TYPE VALUE | state HOST true|false TIME
"use strict";
const [port, modules] = process.argv.slice(2);
const mqtt = require(require.resolve("mqtt", { paths: [modules] }));
const sparkplug = require(require.resolve("sparkplug-payload", { paths: [modules] })).get("spBv1.0");
const readline = require("readline");

const say = (text) => process.stdout.write(text + "\n");
const plain = (key, value) =>
  value && typeof value === "object" && "low" in value && "high" in value
    ? value.high * 4294967296 + (value.low >>> 0)
    : value;
const client = mqtt.connect({ host: "::1", port: Number(port), family: 6, reconnectPeriod: 0 });
client.on("connect", () => client.subscribe("spBv1.0/#", () => say("ready")));
client.on("message", (topic, data) => {
  if (topic.includes("/STATE/") || topic.includes("CMD/")) return;
  try {
    say(JSON.stringify({ topic, ...sparkplug.decodePayload(data) }, plain));
  } catch (error) {
    say(`undecodable ${topic} ${error.message}`);
  }
});
const command = (topic, metric) =>
  client.publish(topic, Buffer.from(sparkplug.encodePayload({ timestamp: Date.now(), metrics: [metric] })));
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const [verb, a, b, c, d] = line.trim().split(" ");
  if (verb === "rebirth") {
    command(`spBv1.0/${a}/NCMD/${b}`, { name: "Node Control/Rebirth", type: "Boolean", value: true });
  } else if (verb === "write") {
    command(a, { alias: Number(b), type: c, value: c === "String" ? d : c === "Boolean" ? d === "true" : Number(d) });
  } else if (verb === "state") {
    const payload = JSON.stringify({ online: b === "true", timestamp: Number(c) });
    client.publish(`spBv1.0/STATE/${a}`, payload, { qos: 1, retain: true });
  }
});
