// An OPC UA server made with node-opcua, for tests of our client. One JSON line per event on
// standard output; commands as JSON lines on standard input. Ends when the input ends.
const { createInterface } = require("node:readline");
const opcua = require("node-opcua");

const options = JSON.parse(process.argv[2]);

function say(event) {
  process.stdout.write(JSON.stringify(event) + "\n");
}

function build(server) {
  const space = server.engine.addressSpace;
  const own = space.getOwnNamespace();
  const plant = own.addFolder(space.rootFolder.objects, { browseName: "Plant", nodeId: "s=Plant" });
  const line = own.addFolder(plant, { browseName: "Line1", nodeId: "s=Line1" });
  const nodes = {};
  const add = (name, dataType, value, more = {}) => {
    nodes[name] = own.addVariable({
      componentOf: line, browseName: name, nodeId: `s=${name}`, dataType,
      value: { dataType, value, ...(more.value || {}) }, ...more.node,
    });
  };
  add("Speed", "Double", 12.5, { node: { accessLevel: "CurrentRead | CurrentWrite", userAccessLevel: "CurrentRead | CurrentWrite" } });
  add("Count", "Int32", 7, { node: { accessLevel: "CurrentRead | CurrentWrite", userAccessLevel: "CurrentRead | CurrentWrite" } });
  add("Running", "Boolean", true, { node: { accessLevel: "CurrentRead | CurrentWrite", userAccessLevel: "CurrentRead | CurrentWrite" } });
  add("Name", "String", "pump 泵", { node: { accessLevel: "CurrentRead | CurrentWrite", userAccessLevel: "CurrentRead | CurrentWrite" } });
  add("Fixed", "Double", 1.0, { node: { accessLevel: "CurrentRead", userAccessLevel: "CurrentRead" } });
  add("Label", "LocalizedText", new opcua.LocalizedText({ text: "ready" }));
  add("Curve", "Double", new Float64Array([1, 2, 3, 4]), {
    value: { arrayType: opcua.VariantArrayType.Array },
    node: { valueRank: 1, accessLevel: "CurrentRead | CurrentWrite", userAccessLevel: "CurrentRead | CurrentWrite" },
  });
  add("Odd[1]", "Double", 99.5);
  const mode = own.addEnumerationType({ browseName: "Mode", enumeration: ["Off", "Manual", "Auto"] });
  nodes.Mode = own.addVariable({
    componentOf: line, browseName: "Mode", nodeId: "s=Mode", dataType: mode.nodeId,
    value: { dataType: "Int32", value: 2 },
  });
  nodes.Level = own.addAnalogDataItem({
    componentOf: line, browseName: "Level", nodeId: "s=Level", dataType: "Double",
    engineeringUnitsRange: { low: 0, high: 100 },
    engineeringUnits: opcua.standardUnits.degree_celsius,
    value: { dataType: "Double", value: 40 },
  });
  add("Past", "Double", 0);
  space.installHistoricalDataNode(nodes.Past, { maxOnlineValues: 5000 });
  for (let i = 0; i < (options.many || 0); i++) {
    own.addVariable({ componentOf: plant, browseName: `V${i}`, nodeId: `s=V${i}`, dataType: "Double", value: { dataType: "Double", value: i } });
  }
  return nodes;
}

async function main() {
  const manager = options.pki && new opcua.OPCUACertificateManager({
    rootFolder: options.pki, automaticallyAcceptUnknownCertificate: !options.strict,
  });
  if (manager) await manager.initialize();
  const server = new opcua.OPCUAServer({
    port: options.port, host: "::1", hostname: "[::1]", resourcePath: "/UA",
    serverInfo: { applicationUri: options.uri || "urn:peer:node-opcua" },
    ...(manager ? { serverCertificateManager: manager } : {}),
    securityModes: options.modes && options.modes.map((mode) => opcua.MessageSecurityMode[mode]),
    securityPolicies: options.policies && options.policies.map((one) => opcua.SecurityPolicy[one]),
    allowAnonymous: !options.user,
    userManager: options.user && { isValidUser: (name, word) => name === options.user && word === options.password },
  });
  await server.initialize();
  const nodes = build(server);
  await server.start();
  say({ ready: server.getEndpointUrl(), certificate: server.certificateFile });
  for await (const text of createInterface({ input: process.stdin })) {
    const [verb, name, value, status, time] = JSON.parse(text);
    if (verb === "quit") break;
    if (verb === "set") {
      const node = nodes[name];
      const variant = node.readValue().value;
      node.setValueFromSource(
        { dataType: variant.dataType, value }, opcua.StatusCodes[status || "Good"], time ? new Date(time) : new Date(),
      );
    }
    if (verb === "drop") { // close every session as if an operator had done it
      for (const session of [...Object.values(server.engine._sessions)]) server.engine.closeSession(session.authenticationToken, true, "Terminated");
    }
    if (verb === "sync") say({ [`sync${name}`]: true });
  }
  await server.shutdown(0);
  process.exit(0);
}

main().catch((error) => { say({ error: String(error.stack || error) }); process.exit(1); });
