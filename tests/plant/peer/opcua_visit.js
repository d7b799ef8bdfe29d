// One visit to an OPC UA server with node-opcua: browse, read, write, subscribe, history; told as one JSON object.
// node opcua_visit.js URL PKI_FOLDER MACHINE NUMBER SETPOINT VALUE FAST
"use strict";
const net = require("node:net");
const opcua = require("node-opcua");
// node-opcua hands "[::1]" to the resolver with its brackets; a literal has none there
for (const verb of ["connect", "createConnection"]) {
  const original = net[verb];
  net[verb] = (first, ...rest) => {
    if (first && typeof first.host === "string") first = { ...first, host: first.host.replace(/^\[(.*)\]$/, "$1") };
    return original.call(net, first, ...rest);
  };
}
const [url, pki, machine, number, setpoint, value, fast] = process.argv.slice(2);
const id = (name) => `ns=2;s=${machine}.${name}`;

async function main() {
  const manager = new opcua.OPCUACertificateManager({ rootFolder: pki, automaticallyAcceptUnknownCertificate: true });
  await manager.initialize();
  const client = opcua.OPCUAClient.create({
    endpointMustExist: false, clientCertificateManager: manager, connectionStrategy: { maxRetry: 0 },
  });
  const told = {};
  await client.connect(url);
  const session = await client.createSession();
  told.namespaces = await session.readNamespaceArray();
  const browse = async (node) =>
    (await session.browse({ nodeId: node, referenceTypeId: "HierarchicalReferences", includeSubtypes: true, browseDirection: "Forward", resultMask: 63 }))
      .references.map((one) => one.browseName.name);
  told.objects = await browse("i=85");
  told.points = await browse(`ns=2;s=${machine}`);
  told.properties = await browse(id(number));
  const read = async (name) => {
    const found = await session.read({ nodeId: id(name), attributeId: opcua.AttributeIds.Value });
    return { value: found.value.value, type: opcua.DataType[found.value.dataType], status: found.statusCode.name };
  };
  told.number = await read(number);
  told.text = await read("state");
  told.boolean = await read("running");
  const unit = await session.read({ nodeId: `${id(number)}.EngineeringUnits`, attributeId: opcua.AttributeIds.Value });
  told.unit = unit.value.value.displayName.text;
  const write = async (name, to) =>
    (await session.write({ nodeId: id(name), attributeId: opcua.AttributeIds.Value, value: { value: { dataType: "Double", value: to } } })).name;
  told.taken = await write(setpoint, Number(value));
  told.after = await read(setpoint);
  told.outside = await write(setpoint, 1e6);
  told.measured = await write(number, 1);
  const subscription = await session.createSubscription2({ requestedPublishingInterval: 100, requestedLifetimeCount: 100, requestedMaxKeepAliveCount: 10, publishingEnabled: true });
  const seen = [];
  const item = await subscription.monitor({ nodeId: id(fast), attributeId: opcua.AttributeIds.Value }, { samplingInterval: 100, queueSize: 20, discardOldest: true }, opcua.TimestampsToReturn.Source);
  item.on("changed", (one) => seen.push([one.sourceTimestamp.getTime(), one.value.value]));
  await new Promise((done) => setTimeout(done, 1500));
  told.seen = seen;
  const end = new Date();
  const history = await session.readHistoryValue(id(fast), new Date(end.getTime() - 60000), end);
  told.history = (history.historyData.dataValues || []).map((one) => [one.sourceTimestamp.getTime(), one.value.value]);
  await session.close();
  await client.disconnect();
  process.stdout.write(JSON.stringify(told) + "\n");
}
main().catch((error) => { process.stderr.write(String(error.stack) + "\n"); process.exit(1); });
