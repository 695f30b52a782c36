CREATE TABLE identity_providers (
  account_id BIGINT NOT NULL REFERENCES accounts (account_id),
  kind {name} NOT NULL,
  name {name} NOT NULL,
  description TEXT NOT NULL,
  issuer_url TEXT NOT NULL,
  client_ids TEXT NOT NULL,
  fingerprints TEXT NOT NULL,
  issuance_limit_h BIGINT NOT NULL,
  metadata_document TEXT NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  PRIMARY KEY (account_id, kind, name)
);
CREATE UNIQUE INDEX identity_providers_by_issuer ON identity_providers (account_id, kind, issuer_url)
