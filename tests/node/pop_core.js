// @alicloud/pop-core signs in V1: makes a user, is refused one, deletes it.
// pop_core.js ENDPOINT KEY SECRET
const path = require("node:path");
const modules = path.join(__dirname, "..", "..", "target", "node", "node_modules");
const { RPCClient } = require(path.join(modules, "@alicloud", "pop-core"));

const [endpoint, accessKeyId, accessKeySecret] = process.argv.slice(2);
const client = new RPCClient({ accessKeyId, accessKeySecret, endpoint, apiVersion: "2015-05-01" });

async function main() {
  const made = await client.request("CreateUser", { UserName: "node" }, { method: "POST" });
  const refused = await client.request("GetUser", { UserName: "nobody" }).then(() => null, (error) => error.code);
  await client.request("DeleteUser", { UserName: "node" }, { method: "POST" });
  console.log(JSON.stringify({ created: made.User.UserName, refused, deleted: true }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
