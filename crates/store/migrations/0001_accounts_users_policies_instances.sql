CREATE TABLE accounts (
  account_id BIGINT PRIMARY KEY,
  alias {name} NOT NULL UNIQUE,
  password_hash TEXT NOT NULL,
  failures BIGINT NOT NULL,
  locked_until BIGINT NOT NULL,
  created BIGINT NOT NULL,
  revision BIGINT NOT NULL
);
CREATE TABLE users (
  account_id BIGINT NOT NULL REFERENCES accounts (account_id),
  user_id BIGINT NOT NULL,
  name {name} NOT NULL,
  display_name TEXT NOT NULL,
  mobile_phone TEXT NOT NULL,
  email TEXT NOT NULL,
  comments TEXT NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  last_login BIGINT NOT NULL,
  PRIMARY KEY (account_id, user_id),
  UNIQUE (account_id, name)
);
CREATE TABLE access_keys (
  key_id {name} PRIMARY KEY,
  account_id BIGINT NOT NULL REFERENCES accounts (account_id),
  user_id BIGINT NOT NULL,
  sealed_secret TEXT NOT NULL,
  active BIGINT NOT NULL,
  created BIGINT NOT NULL
);
CREATE INDEX access_keys_by_owner ON access_keys (account_id, user_id);
CREATE TABLE login_profiles (
  account_id BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  password_hash TEXT NOT NULL,
  password_reset_required BIGINT NOT NULL,
  mfa_bind_required BIGINT NOT NULL,
  created BIGINT NOT NULL,
  failures BIGINT NOT NULL,
  locked_until BIGINT NOT NULL,
  PRIMARY KEY (account_id, user_id),
  FOREIGN KEY (account_id, user_id) REFERENCES users (account_id, user_id)
);
CREATE TABLE policies (
  account_id BIGINT NOT NULL REFERENCES accounts (account_id),
  name {name} NOT NULL,
  description TEXT NOT NULL,
  default_version BIGINT NOT NULL,
  last_version BIGINT NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  PRIMARY KEY (account_id, name)
);
CREATE TABLE policy_versions (
  account_id BIGINT NOT NULL,
  policy_name {name} NOT NULL,
  version BIGINT NOT NULL,
  document TEXT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (account_id, policy_name, version),
  FOREIGN KEY (account_id, policy_name) REFERENCES policies (account_id, name)
);
CREATE TABLE attachments (
  account_id BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  policy_type {name} NOT NULL,
  policy_name {name} NOT NULL,
  attached BIGINT NOT NULL,
  PRIMARY KEY (account_id, user_id, policy_type, policy_name),
  FOREIGN KEY (account_id, user_id) REFERENCES users (account_id, user_id)
);
CREATE INDEX attachments_by_policy ON attachments (account_id, policy_type, policy_name);
CREATE TABLE instances (
  instance_id {name} PRIMARY KEY,
  account_id BIGINT NOT NULL REFERENCES accounts (account_id),
  name {name} NOT NULL,
  edition TEXT NOT NULL,
  compatibility TEXT NOT NULL,
  deny_action TEXT NOT NULL,
  durability TEXT NOT NULL,
  created BIGINT NOT NULL,
  UNIQUE (account_id, name)
);
CREATE TABLE topics (
  account_id BIGINT NOT NULL,
  instance_id {name} NOT NULL REFERENCES instances (instance_id),
  name {name} NOT NULL,
  remark TEXT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (instance_id, name)
);
CREATE TABLE client_groups (
  account_id BIGINT NOT NULL,
  instance_id {name} NOT NULL REFERENCES instances (instance_id),
  name {name} NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (instance_id, name)
);
CREATE TABLE console_sessions (
  digest {name} PRIMARY KEY,
  account_id BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  csrf TEXT NOT NULL,
  must_change_password BIGINT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL
);
CREATE INDEX console_sessions_by_principal ON console_sessions (account_id, user_id)
