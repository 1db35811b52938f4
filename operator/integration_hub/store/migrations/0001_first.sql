-- Times are milliseconds since 1970, UTC. `/* engine: words */` counts on that engine only.

-- One row per attempt of a call, redacted. Ids grow with time.
CREATE TABLE call_log (
  id TEXT PRIMARY KEY,
  at BIGINT NOT NULL,
  namespace TEXT NOT NULL,
  integration TEXT NOT NULL,
  integration_uid TEXT NOT NULL,
  provider TEXT NOT NULL,
  purpose TEXT NOT NULL,
  caller TEXT NOT NULL,
  correlation_id TEXT NOT NULL,
  method TEXT NOT NULL,
  path TEXT NOT NULL,
  status INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  success BOOLEAN NOT NULL,
  microseconds BIGINT NOT NULL,
  attempt INTEGER NOT NULL,
  bytes_sent BIGINT NOT NULL,
  bytes_received BIGINT NOT NULL,
  message TEXT NOT NULL,
  level TEXT NOT NULL,
  request_headers TEXT NOT NULL,
  response_headers TEXT NOT NULL,
  request_body TEXT NOT NULL,
  response_body TEXT NOT NULL,
  size BIGINT NOT NULL
);
CREATE INDEX call_log_namespace ON call_log (namespace, id);
CREATE INDEX call_log_integration ON call_log (namespace, integration_uid, id);
-- What people look for when something is wrong, without wading through what was right.
CREATE INDEX call_log_trouble ON call_log (namespace, id) WHERE level IN ('warn', 'error');
CREATE INDEX call_log_integration_trouble ON call_log (namespace, integration_uid, id)
  WHERE level IN ('warn', 'error');

-- Sums since the first call. They change in the transaction that writes the rows above.
CREATE TABLE call_totals (
  integration_uid TEXT PRIMARY KEY,
  namespace TEXT NOT NULL,
  total BIGINT NOT NULL,
  successful BIGINT NOT NULL,
  microseconds BIGINT NOT NULL,
  bytes_sent BIGINT NOT NULL,
  bytes_received BIGINT NOT NULL,
  last_activity BIGINT NOT NULL
);
CREATE INDEX call_totals_namespace ON call_totals (namespace);

-- The same by the minute.
CREATE TABLE call_minutes (
  integration_uid TEXT NOT NULL,
  minute BIGINT NOT NULL,
  namespace TEXT NOT NULL,
  total BIGINT NOT NULL,
  successful BIGINT NOT NULL,
  microseconds BIGINT NOT NULL,
  bytes_sent BIGINT NOT NULL,
  bytes_received BIGINT NOT NULL,
  last_activity BIGINT NOT NULL,
  PRIMARY KEY (integration_uid, minute)
) /* sqlite: WITHOUT ROWID */;
CREATE INDEX call_minutes_minute ON call_minutes (minute);

CREATE TABLE audit_log (
  id TEXT PRIMARY KEY,
  at BIGINT NOT NULL,
  namespace TEXT NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  resource TEXT NOT NULL,
  name TEXT NOT NULL,
  outcome TEXT NOT NULL,
  detail TEXT NOT NULL,
  correlation_id TEXT NOT NULL,
  size BIGINT NOT NULL
);
CREATE INDEX audit_log_namespace ON audit_log (namespace, id);
CREATE INDEX audit_log_name ON audit_log (namespace, name, id);
CREATE INDEX audit_log_actor ON audit_log (namespace, actor, id);

-- What each namespace takes of each log, so that retention need not count.
CREATE TABLE log_sizes (
  log TEXT NOT NULL,
  namespace TEXT NOT NULL,
  entries BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  PRIMARY KEY (log, namespace)
);

-- Checks by the minute. `microseconds` is of the minute's last answer.
CREATE TABLE health_minutes (
  uid TEXT NOT NULL,
  minute BIGINT NOT NULL,
  checks BIGINT NOT NULL,
  failures BIGINT NOT NULL,
  microseconds BIGINT,
  last_check BIGINT NOT NULL,
  PRIMARY KEY (uid, minute)
) /* sqlite: WITHOUT ROWID */;
CREATE INDEX health_minutes_minute ON health_minutes (minute);

-- Batches of records that were written, so that one whose commit nobody heard of is not written twice.
CREATE TABLE batches (
  id TEXT PRIMARY KEY,
  at BIGINT NOT NULL
);

CREATE TABLE call_windows (
  key TEXT PRIMARY KEY,
  held_until BIGINT NOT NULL,
  calls BYTEA NOT NULL,
  forgotten_at BIGINT NOT NULL
) /* postgresql: WITH (fillfactor = 50) */;

CREATE TABLE breakers (
  uid TEXT PRIMARY KEY,
  state TEXT NOT NULL,
  failures INTEGER NOT NULL,
  successes INTEGER NOT NULL,
  opened_at BIGINT,
  retry_at BIGINT,
  version BIGINT NOT NULL
);

CREATE TABLE locks (
  name TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  fence BIGINT NOT NULL,
  expires BIGINT NOT NULL
);

CREATE TABLE one_time_values (
  digest TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  expires BIGINT NOT NULL
);

-- Without a status it is still running, and taken for dead at `running_until`.
CREATE TABLE idempotency_keys (
  caller TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  expires BIGINT NOT NULL,
  running_until BIGINT NOT NULL,
  status INTEGER,
  body BYTEA,
  PRIMARY KEY (caller, key)
);
CREATE INDEX idempotency_keys_expires ON idempotency_keys (expires);

CREATE TABLE wakeups (
  kind TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  reason TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (kind, namespace, name)
);
CREATE INDEX wakeups_at ON wakeups (at);
