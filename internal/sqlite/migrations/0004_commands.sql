-- Commands that agents ask for, and a person's leave for them.

CREATE TABLE permits (
  conversation TEXT PRIMARY KEY,
  mode         INTEGER NOT NULL,
  workspace    TEXT NOT NULL,
  auto         INTEGER NOT NULL,
  in_client    INTEGER NOT NULL,
  key          BLOB,
  from_at      INTEGER,
  until_at     INTEGER,
  ended_at     INTEGER,
  served_at    INTEGER,
  signature    BLOB
) STRICT, WITHOUT ROWID;

-- What can be long comes last, so that the rest is read without it.
CREATE TABLE commands (
  conversation TEXT NOT NULL,
  id           TEXT NOT NULL,
  member       TEXT NOT NULL,
  agent        TEXT NOT NULL,
  mode         INTEGER NOT NULL,
  verdict      TEXT NOT NULL,
  state        TEXT NOT NULL,
  asked_at     INTEGER,
  expires_at   INTEGER,
  changed_at   INTEGER,
  network      INTEGER NOT NULL,
  approval     BLOB,
  runner       TEXT NOT NULL,
  exit         INTEGER NOT NULL,
  size         INTEGER NOT NULL,
  cut          INTEGER NOT NULL,
  outcome      TEXT NOT NULL,
  workspace    TEXT NOT NULL,
  why          TEXT NOT NULL,
  word         TEXT NOT NULL,
  reason       TEXT NOT NULL,
  text         TEXT NOT NULL,
  output       TEXT NOT NULL,
  PRIMARY KEY (conversation, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX commands_by_state ON commands (state, changed_at, id, conversation);
