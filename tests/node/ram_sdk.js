// The vendor's typed RAM client for Node, which signs in V3: a user in a group, a role, a refusal, and all of it away again.
// ram_sdk.js HOST:PORT KEY SECRET ACCOUNT
const path = require("node:path");
const modules = path.join(__dirname, "..", "..", "target", "node", "node_modules", "@alicloud");
const Ram = require(path.join(modules, "ram20150501"));
const { Config } = require(path.join(modules, "openapi-client"));

const [endpoint, accessKeyId, accessKeySecret, account] = process.argv.slice(2);
const client = new Ram.default(new Config({ accessKeyId, accessKeySecret, endpoint, protocol: "http" }));

const TRUST = JSON.stringify({
  Version: "1",
  Statement: [{ Action: "sts:AssumeRole", Effect: "Allow", Principal: { RAM: [`acs:ram::${account}:root`] } }],
});
const READ_ONLY = { policyType: "System", policyName: "AliyunMQReadOnlyAccess" };

async function main() {
  const user = { userName: "node-user" };
  const group = { groupName: "node-group" };
  const role = { roleName: "node-role" };
  await client.createUser(new Ram.CreateUserRequest(user));
  await client.createGroup(new Ram.CreateGroupRequest({ ...group, comments: "of Node" }));
  await client.addUserToGroup(new Ram.AddUserToGroupRequest({ ...user, ...group }));
  await client.attachPolicyToGroup(new Ram.AttachPolicyToGroupRequest({ ...group, ...READ_ONLY }));
  await client.createRole(new Ram.CreateRoleRequest({ ...role, assumeRolePolicyDocument: TRUST }));
  const members = await client.listUsersForGroup(new Ram.ListUsersForGroupRequest(group));
  const policies = await client.listPoliciesForGroup(new Ram.ListPoliciesForGroupRequest(group));
  const got = await client.getRole(new Ram.GetRoleRequest(role));
  const refused = await client.deleteGroup(new Ram.DeleteGroupRequest(group)).then(
    () => null,
    (error) => error.code,
  );
  await client.detachPolicyFromGroup(new Ram.DetachPolicyFromGroupRequest({ ...group, ...READ_ONLY }));
  await client.removeUserFromGroup(new Ram.RemoveUserFromGroupRequest({ ...user, ...group }));
  await client.deleteGroup(new Ram.DeleteGroupRequest(group));
  await client.deleteRole(new Ram.DeleteRoleRequest(role));
  await client.deleteUser(new Ram.DeleteUserRequest(user));
  console.log(
    JSON.stringify({
      members: members.body.users.user.map((member) => member.userName),
      policies: policies.body.policies.policy.map((policy) => policy.policyName),
      trust: got.body.role.assumeRolePolicyDocument === TRUST,
      refused,
    }),
  );
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
