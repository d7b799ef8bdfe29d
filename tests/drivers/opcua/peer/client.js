// An OPC UA client made with node-opcua, for tests of our server. Commands and events as JSON lines.
const { createInterface } = require("node:readline");
const opcua = require("node-opcua");

// node-opcua hands "[::1]" to the resolver with its brackets; a literal has none there
const net = require("node:net");
for (const verb of ["connect", "createConnection"]) {
  const original = net[verb];
  net[verb] = (first, ...rest) => {
    if (first && typeof first.host === "string") first = { ...first, host: first.host.replace(/^\[(.*)\]$/, "$1") };
    return original.call(net, first, ...rest);
  };
}

const options = JSON.parse(process.argv[2]);

function say(event) {
  process.stdout.write(JSON.stringify(event) + "\n");
}

function told(value) {
  return {
    value: value.value ? value.value.value : null, type: value.value ? opcua.DataType[value.value.dataType] : null,
    status: value.statusCode.name, time: value.sourceTimestamp ? value.sourceTimestamp.toISOString() : null,
  };
}

async function main() {
  const manager = new opcua.OPCUACertificateManager({ rootFolder: options.pki, automaticallyAcceptUnknownCertificate: true });
  await manager.initialize();
  const client = opcua.OPCUAClient.create({
    applicationName: "peer", applicationUri: "urn:peer:client", endpointMustExist: false, clientCertificateManager: manager,
    securityMode: opcua.MessageSecurityMode[options.mode || "None"], securityPolicy: opcua.SecurityPolicy[options.policy || "None"],
    connectionStrategy: { maxRetry: 0, initialDelay: 100, maxDelay: 200 }, requestedSessionTimeout: 20000,
  });
  let session, subscription;
  const verbs = {
    async open() {
      await client.connect(options.url);
      session = await client.createSession(options.user ? { type: opcua.UserTokenType.UserName, userName: options.user, password: options.password } : undefined);
      return true;
    },
    async endpoints() {
      return (await client.getEndpoints()).map((one) => [opcua.MessageSecurityMode[one.securityMode], one.securityPolicyUri.split("#")[1], one.endpointUrl]);
    },
    async browse(node) {
      const found = await session.browse({ nodeId: node, referenceTypeId: "HierarchicalReferences", includeSubtypes: true, browseDirection: "Forward", resultMask: 63 });
      return found.references.map((one) => [one.nodeId.toString(), one.browseName.name, opcua.NodeClass[one.nodeClass]]);
    },
    async read(node, attribute) {
      const found = await session.read({ nodeId: node, attributeId: opcua.AttributeIds[attribute || "Value"] });
      const plain = told(found);
      if (plain.type === "ExtensionObject") plain.value = JSON.parse(JSON.stringify(plain.value));
      return plain;
    },
    async write(node, dataType, value) {
      return (await session.write({ nodeId: node, attributeId: opcua.AttributeIds.Value, value: { value: { dataType, value } } })).name;
    },
    async watch(node, interval) {
      if (!subscription) {
        subscription = await session.createSubscription2({ requestedPublishingInterval: 50, requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 20, maxNotificationsPerPublish: 1000, publishingEnabled: true, priority: 1 });
      }
      const item = await subscription.monitor({ nodeId: node, attributeId: opcua.AttributeIds.Value }, { samplingInterval: interval || 50, queueSize: 100, discardOldest: true }, opcua.TimestampsToReturn.Both);
      item.on("changed", (value) => say({ change: { node, ...told(value) } }));
      return true;
    },
    async close() {
      if (session) await session.close(true);
      await client.disconnect();
      return true;
    },
  };
  say({ ready: true });
  for await (const text of createInterface({ input: process.stdin })) {
    const [verb, ...rest] = JSON.parse(text);
    try {
      say({ [verb]: await verbs[verb](...rest) });
    } catch (error) {
      say({ [verb]: { failed: String(error.message || error) } });
    }
  }
  process.exit(0);
}

main().catch((error) => { say({ error: String(error.stack || error) }); process.exit(1); });
