CREATE TABLE access_key_policies (
  account_id BIGINT NOT NULL REFERENCES accounts (account_id),
  key_id {name} NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (account_id, key_id)
)
