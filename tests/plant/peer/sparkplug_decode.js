// Decodes Sparkplug B payloads with npm sparkplug-payload: "TOPIC HEX" lines in, JSON lines out.
"use strict";
const { createInterface } = require("node:readline");
const sparkplug = require("sparkplug-payload").get("spBv1.0");
const plain = (key, value) =>
  value && typeof value === "object" && "low" in value && "high" in value ? value.high * 4294967296 + (value.low >>> 0) : value;
createInterface({ input: process.stdin }).on("line", (line) => {
  const [topic, hex] = line.split(" ");
  process.stdout.write(JSON.stringify({ topic, ...sparkplug.decodePayload(Buffer.from(hex, "hex")) }, plain) + "\n");
});
