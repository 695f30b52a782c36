CREATE TABLE seen_decisions (
  account_id BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  hour BIGINT NOT NULL,
  question {name} NOT NULL,
  actions TEXT NOT NULL,
  resource TEXT NOT NULL,
  outcome TEXT NOT NULL,
  times BIGINT NOT NULL,
  last_seen BIGINT NOT NULL,
  conditions TEXT NOT NULL,
  PRIMARY KEY (account_id, user_id, hour, question)
);
CREATE INDEX seen_decisions_by_hour ON seen_decisions (hour);
CREATE TABLE refusals (
  account_id BIGINT NOT NULL,
  request_id {name} NOT NULL,
  refused BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  principal_name TEXT NOT NULL,
  session_name TEXT NOT NULL,
  action TEXT NOT NULL,
  resource TEXT NOT NULL,
  scope TEXT NOT NULL,
  policy_name TEXT NOT NULL,
  policy_type TEXT NOT NULL,
  policy_version BIGINT NOT NULL,
  statement BIGINT NOT NULL,
  held_by TEXT NOT NULL,
  missing_keys TEXT NOT NULL,
  conditions TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (account_id, request_id)
);
CREATE INDEX refusals_by_time ON refusals (account_id, refused);
CREATE INDEX refusals_by_age ON refusals (refused)
