CREATE TABLE usage_counts (
  account_id BIGINT NOT NULL,
  hour BIGINT NOT NULL,
  instance_id {name} NOT NULL,
  user_id BIGINT NOT NULL,
  in_clean_qos0 BIGINT NOT NULL,
  in_clean_qos1 BIGINT NOT NULL,
  in_clean_qos2 BIGINT NOT NULL,
  in_stored_qos0 BIGINT NOT NULL,
  in_stored_qos1 BIGINT NOT NULL,
  in_stored_qos2 BIGINT NOT NULL,
  out_clean_qos0 BIGINT NOT NULL,
  out_clean_qos1 BIGINT NOT NULL,
  out_clean_qos2 BIGINT NOT NULL,
  out_stored_qos0 BIGINT NOT NULL,
  out_stored_qos1 BIGINT NOT NULL,
  out_stored_qos2 BIGINT NOT NULL,
  stored_pushes BIGINT NOT NULL,
  bytes_in BIGINT NOT NULL,
  bytes_out BIGINT NOT NULL,
  api_calls BIGINT NOT NULL,
  PRIMARY KEY (account_id, hour, instance_id, user_id)
);
CREATE TABLE usage_peaks (
  account_id BIGINT NOT NULL,
  hour BIGINT NOT NULL,
  instance_id {name} NOT NULL,
  user_id BIGINT NOT NULL,
  connections BIGINT NOT NULL,
  subscriptions BIGINT NOT NULL,
  PRIMARY KEY (account_id, hour, instance_id, user_id)
)
