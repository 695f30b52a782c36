// mqtt.js as a program of the client matrix; what it reads and writes is in tests/clients/matrix.py.
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const modules = path.join(__dirname, "..", "..", "target", "node", "node_modules");
const mqtt = require(path.join(modules, "mqtt"));

const given = Object.fromEntries(process.argv.slice(2).map((argument) => {
  const [name, ...rest] = argument.split("=");
  return [name, rest.join("=")];
}));
const say = (...words) => process.stdout.write(words.join(" ") + "\n");
const fail = (error) => {
  console.error(error);
  process.exit(1);
};

const stored = given.stored === "1";
const version = Number(given.version);
const client = mqtt.connect(given.url, {
  clientId: given.id,
  username: given.username,
  password: given.password,
  protocolVersion: version,
  protocolId: version === 3 ? "MQIsdp" : "MQTT",
  clean: !stored,
  properties: version === 5 ? { sessionExpiryInterval: stored ? 300 : 0 } : undefined,
  will: given.will_topic ? { topic: given.will_topic, payload: given.will_payload, qos: 1 } : undefined,
  ca: given.ca ? fs.readFileSync(given.ca) : undefined,
  reconnectPeriod: 0,
});
client.on("error", fail);
client.on("connect", (connack) => say("connected", Number(connack.sessionPresent)));
client.on("message", (topic, payload, packet) => {
  const pairs = Object.entries(packet.properties?.userProperties ?? {}).map(([name, value]) => `${name}=${value}`);
  say("message", topic, payload.toString(), packet.qos, Number(packet.retain), ...pairs);
});

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const [command, ...words] = line.split(" ");
  if (command === "subscribe") {
    const [topic, qos] = words;
    client.subscribe(topic, { qos: Number(qos) }, (error, granted) => (error ? fail(error) : say("subscribed", granted[0].qos)));
  } else if (command === "publish") {
    const [topic, payload, qos, retain, ...pairs] = words;
    const userProperties = Object.fromEntries(pairs.map((pair) => pair.split("=")));
    const properties = pairs.length ? { userProperties } : undefined;
    const options = { qos: Number(qos), retain: retain === "1", properties };
    client.publish(topic, payload, options, (error) => (error ? fail(error) : say("published", 0)));
  } else if (command === "disconnect") {
    client.end(false, {}, () => {
      say("disconnected", 0);
      process.exit(0);
    });
  }
});
