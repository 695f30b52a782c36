// mqtt.js in Signature mode: subscribes, publishes to itself, prints what came.
// mqtt_js.js URL KEY SECRET INSTANCE CLIENT_ID
const path = require("node:path");
const crypto = require("node:crypto");
const modules = path.join(__dirname, "..", "..", "target", "node", "node_modules");
const mqtt = require(path.join(modules, "mqtt"));

const [url, key, secret, instance, clientId] = process.argv.slice(2);
const client = mqtt.connect(url, {
  clientId,
  username: `Signature|${key}|${instance}`,
  password: crypto.createHmac("sha1", secret).update(clientId).digest("base64"),
  protocolVersion: 5,
  reconnectPeriod: 0,
  connectTimeout: 10000,
});

client.on("error", (error) => {
  console.error(error);
  process.exit(1);
});
client.on("message", (topic, payload) => {
  console.log(JSON.stringify({ topic, payload: payload.toString() }));
  client.end(() => process.exit(0));
});
client.on("connect", () => {
  client.subscribe("orders/node", { qos: 1 }, () => client.publish("orders/node", "by mqtt.js", { qos: 1 }));
});
