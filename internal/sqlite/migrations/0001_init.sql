-- Times are microseconds of Unix time, UTC; NULL is the zero time. Ids are text; an empty text is "none".
-- Partial indexes hold only what is under way, so nothing that is asked often grows with history.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE agents (
  id         TEXT PRIMARY KEY,
  name       TEXT NOT NULL,
  local      INTEGER NOT NULL,
  created_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX agents_by_name ON agents (name, id);

CREATE TABLE tokens (
  id         TEXT PRIMARY KEY,
  agent      TEXT NOT NULL,
  key_id     TEXT NOT NULL,
  tag        BLOB,
  seal       BLOB,
  created_at INTEGER,
  expires_at INTEGER,
  revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_by_agent ON tokens (agent, created_at, id);

CREATE TABLE conversations (
  id         TEXT PRIMARY KEY,
  title      TEXT NOT NULL,
  creator    TEXT NOT NULL,
  created_at INTEGER,
  expires_at INTEGER,
  closed_at  INTEGER,
  warned_at  INTEGER,
  buried_at  INTEGER,
  erased_at  INTEGER,
  due_at     INTEGER,
  last_seq   INTEGER NOT NULL,
  seen_at    INTEGER,
  key        BLOB,
  head       BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX conversations_due ON conversations (due_at, id) WHERE due_at IS NOT NULL;

CREATE TABLE members (
  conversation TEXT NOT NULL,
  name         TEXT NOT NULL,
  role         TEXT NOT NULL,
  rank         TEXT NOT NULL,
  agent        TEXT NOT NULL,
  invited_at   INTEGER,
  joined_at    INTEGER,
  revoked_at   INTEGER,
  status       TEXT NOT NULL,
  note         TEXT NOT NULL,
  status_at    INTEGER,
  PRIMARY KEY (conversation, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships ON members (agent, conversation, name) WHERE agent <> '' AND revoked_at IS NULL;

CREATE TABLE invites (
  id           TEXT PRIMARY KEY,
  conversation TEXT NOT NULL,
  name         TEXT NOT NULL,
  key_id       TEXT NOT NULL,
  tag          BLOB,
  created_at   INTEGER,
  expires_at   INTEGER,
  used_at      INTEGER,
  used_by      TEXT NOT NULL,
  failures     INTEGER NOT NULL,
  void         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX invites_by_conversation ON invites (conversation, created_at, id);
CREATE INDEX invites_open ON invites (name, created_at, id) WHERE used_at IS NULL AND void = 0;

CREATE TABLE messages (
  conversation TEXT NOT NULL,
  seq          INTEGER NOT NULL,
  id           TEXT NOT NULL,
  "from"       TEXT NOT NULL,
  role         TEXT NOT NULL,
  rank         TEXT NOT NULL,
  text         TEXT NOT NULL,
  action_type  TEXT NOT NULL,
  files        TEXT, -- a JSON array
  reply_to     TEXT NOT NULL,
  sent_at      INTEGER,
  digest       TEXT NOT NULL,
  redacted     INTEGER NOT NULL,
  PRIMARY KEY (conversation, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX messages_by_id ON messages (conversation, id);

CREATE TABLE deliveries (
  conversation TEXT NOT NULL,
  seq          INTEGER NOT NULL,
  recipient    TEXT NOT NULL,
  message      TEXT NOT NULL,
  state        TEXT NOT NULL,
  at           INTEGER,
  reason       TEXT NOT NULL,
  how          TEXT NOT NULL,
  attempts     INTEGER NOT NULL,
  receipt      TEXT NOT NULL,
  instance     TEXT NOT NULL,
  PRIMARY KEY (conversation, seq, recipient)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_waiting ON deliveries (conversation, recipient, seq) WHERE state = 'stored';
CREATE INDEX deliveries_held ON deliveries (conversation, recipient, seq) WHERE state = 'delivered';
CREATE INDEX deliveries_batch ON deliveries (conversation, recipient, receipt, seq) WHERE receipt <> '';

CREATE TABLE presence (
  agent        TEXT NOT NULL,
  instance     TEXT NOT NULL,
  started_at   INTEGER,
  heartbeat_at INTEGER,
  progress_at  INTEGER,
  ended_at     INTEGER,
  PRIMARY KEY (agent, instance)
) STRICT, WITHOUT ROWID;

CREATE TABLE charges (
  conversation TEXT NOT NULL,
  holder       TEXT NOT NULL,
  kind         TEXT NOT NULL,
  n            INTEGER NOT NULL,
  at           INTEGER NOT NULL,
  PRIMARY KEY (conversation, holder, kind, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE entries (
  log    TEXT NOT NULL,
  n      INTEGER NOT NULL,
  at     INTEGER,
  actor  TEXT NOT NULL,
  action TEXT NOT NULL,
  record BLOB NOT NULL,
  PRIMARY KEY (log, n)
) STRICT, WITHOUT ROWID;
