CREATE TABLE changes (
  account_id BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  place BIGINT NOT NULL,
  what TEXT NOT NULL,
  transaction_id BIGINT NOT NULL,
  written BIGINT NOT NULL,
  PRIMARY KEY (account_id, revision, place)
);
CREATE INDEX changes_by_transaction ON changes (transaction_id)
