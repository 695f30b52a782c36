CREATE TABLE user_groups (
  account_id BIGINT NOT NULL REFERENCES accounts (account_id),
  group_id {name} NOT NULL,
  name {name} NOT NULL,
  comments TEXT NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  PRIMARY KEY (account_id, group_id),
  UNIQUE (account_id, name)
);
CREATE TABLE group_members (
  account_id BIGINT NOT NULL,
  group_id {name} NOT NULL,
  user_id BIGINT NOT NULL,
  joined BIGINT NOT NULL,
  PRIMARY KEY (account_id, group_id, user_id),
  FOREIGN KEY (account_id, group_id) REFERENCES user_groups (account_id, group_id),
  FOREIGN KEY (account_id, user_id) REFERENCES users (account_id, user_id)
);
CREATE INDEX group_members_by_user ON group_members (account_id, user_id);
CREATE TABLE roles (
  account_id BIGINT NOT NULL REFERENCES accounts (account_id),
  role_id BIGINT NOT NULL,
  name {name} NOT NULL,
  description TEXT NOT NULL,
  trust_document TEXT NOT NULL,
  session_s_max BIGINT NOT NULL,
  allow_console_login BIGINT NOT NULL,
  service_name TEXT NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  PRIMARY KEY (account_id, role_id),
  UNIQUE (account_id, name)
);
CREATE TABLE tags (
  account_id BIGINT NOT NULL REFERENCES accounts (account_id),
  entity_kind {name} NOT NULL,
  entity_name {name} NOT NULL,
  tag_key {name} NOT NULL,
  tag_value TEXT NOT NULL,
  PRIMARY KEY (account_id, entity_kind, entity_name, tag_key)
);
CREATE TABLE policy_attachments (
  account_id BIGINT NOT NULL REFERENCES accounts (account_id),
  holder_kind {name} NOT NULL,
  holder_id {name} NOT NULL,
  policy_type {name} NOT NULL,
  policy_name {name} NOT NULL,
  attached BIGINT NOT NULL,
  PRIMARY KEY (account_id, holder_kind, holder_id, policy_type, policy_name)
);
CREATE INDEX policy_attachments_by_policy ON policy_attachments (account_id, policy_type, policy_name);
INSERT INTO policy_attachments (account_id, holder_kind, holder_id, policy_type, policy_name, attached)
  SELECT account_id, 'User', CAST(user_id AS TEXT), policy_type, policy_name, attached FROM attachments;
DROP TABLE attachments
