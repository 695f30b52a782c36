CREATE TABLE sign_in_settings (
  account_id BIGINT PRIMARY KEY REFERENCES accounts (account_id),
  characters_min BIGINT NOT NULL,
  lower_case BIGINT NOT NULL,
  upper_case BIGINT NOT NULL,
  numbers BIGINT NOT NULL,
  symbols BIGINT NOT NULL,
  hard_expiry BIGINT NOT NULL,
  age_days_max BIGINT NOT NULL,
  reuse_prevention BIGINT NOT NULL,
  login_attempts_max BIGINT NOT NULL,
  save_mfa_ticket BIGINT NOT NULL,
  users_change_password BIGINT NOT NULL,
  users_manage_access_keys BIGINT NOT NULL,
  users_manage_mfa_devices BIGINT NOT NULL,
  users_manage_public_keys BIGINT NOT NULL,
  session_hours BIGINT NOT NULL,
  network_masks TEXT NOT NULL
);
CREATE TABLE mfa_devices (
  serial {name} PRIMARY KEY,
  account_id BIGINT NOT NULL REFERENCES accounts (account_id),
  name {name} NOT NULL,
  sealed_seed TEXT NOT NULL,
  created BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  activated BIGINT NOT NULL,
  last_step BIGINT NOT NULL,
  page_session {name} NOT NULL,
  UNIQUE (account_id, name)
);
CREATE UNIQUE INDEX mfa_devices_by_user ON mfa_devices (account_id, user_id) WHERE user_id <> 0;
CREATE TABLE mfa_tickets (
  digest {name} PRIMARY KEY,
  account_id BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  serial {name} NOT NULL,
  expires BIGINT NOT NULL
);
CREATE INDEX mfa_tickets_by_user ON mfa_tickets (account_id, user_id);
CREATE TABLE half_sign_ins (
  digest {name} PRIMARY KEY,
  account_id BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  expires BIGINT NOT NULL
);
CREATE INDEX half_sign_ins_by_user ON half_sign_ins (account_id, user_id);
CREATE TABLE old_passwords (
  account_id BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  password_hash TEXT NOT NULL,
  PRIMARY KEY (account_id, user_id, number)
);
CREATE TABLE key_uses (
  key_id {name} PRIMARY KEY,
  account_id BIGINT NOT NULL,
  used BIGINT NOT NULL
);
ALTER TABLE login_profiles ADD COLUMN password_changed BIGINT NOT NULL DEFAULT 0;
UPDATE login_profiles SET password_changed = created;
ALTER TABLE console_sessions ADD COLUMN mfa_present BIGINT NOT NULL DEFAULT 0;
ALTER TABLE console_sessions ADD COLUMN must_bind_mfa BIGINT NOT NULL DEFAULT 0
