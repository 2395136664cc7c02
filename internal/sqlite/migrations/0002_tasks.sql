-- Tasks and their leases, alerts, silence, pauses.

ALTER TABLE conversations ADD COLUMN paused_at INTEGER;
ALTER TABLE conversations ADD COLUMN paused_by TEXT NOT NULL DEFAULT '';
ALTER TABLE conversations ADD COLUMN turns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN spoke_by TEXT NOT NULL DEFAULT '';
ALTER TABLE conversations ADD COLUMN spoke_at INTEGER;
ALTER TABLE conversations ADD COLUMN last_task INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN last_fence INTEGER NOT NULL DEFAULT 0;
-- Unique as id is, which the planner would not know otherwise: it would sort.
CREATE UNIQUE INDEX conversations_unburied ON conversations (id) WHERE buried_at IS NULL AND erased_at IS NULL;

ALTER TABLE members ADD COLUMN silent_at INTEGER;

-- What can be long comes last, so that the rest is read without it.
CREATE TABLE tasks (
  conversation TEXT NOT NULL,
  n            INTEGER NOT NULL,
  id           TEXT NOT NULL,
  title        TEXT NOT NULL,
  priority     INTEGER NOT NULL,
  blockers     INTEGER NOT NULL,
  assign_to    TEXT NOT NULL,
  reassign     INTEGER NOT NULL,
  lease        INTEGER NOT NULL, -- microseconds
  added_by     TEXT NOT NULL,
  added_at     INTEGER,
  digest       TEXT NOT NULL,
  redacted     INTEGER NOT NULL,
  state        TEXT NOT NULL,
  changed_at   INTEGER,
  attempts     INTEGER NOT NULL,
  ended        TEXT NOT NULL,
  holder       TEXT NOT NULL,
  agent        TEXT NOT NULL,
  instance     TEXT NOT NULL,
  fence        INTEGER NOT NULL,
  leased_at    INTEGER,
  nudged_at    INTEGER,
  files        TEXT, -- a JSON array
  after        TEXT, -- a JSON array
  detail       TEXT NOT NULL,
  result       TEXT NOT NULL,
  PRIMARY KEY (conversation, n)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX tasks_by_id ON tasks (conversation, id);
CREATE INDEX tasks_by_state ON tasks (conversation, state, n);
CREATE INDEX tasks_ready ON tasks (conversation, assign_to, priority DESC, n) WHERE state = 'open' AND blockers = 0;
CREATE INDEX tasks_assigned ON tasks (conversation, assign_to, n) WHERE state = 'open' AND assign_to <> '';
CREATE INDEX tasks_claimed ON tasks (conversation, n) WHERE state = 'claimed';

-- Which tasks come after one: the lists of tasks.after, the other way round.
CREATE TABLE task_after (
  conversation TEXT NOT NULL,
  after        TEXT NOT NULL,
  n            INTEGER NOT NULL,
  PRIMARY KEY (conversation, after, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE alerts (
  conversation TEXT NOT NULL,
  id           TEXT NOT NULL,
  kind         TEXT NOT NULL,
  at           INTEGER,
  member       TEXT NOT NULL,
  task         TEXT NOT NULL,
  text         TEXT NOT NULL,
  PRIMARY KEY (conversation, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX alerts_by_id ON alerts (id);
CREATE INDEX alerts_by_time ON alerts (at, id);

CREATE TABLE sendings (
  sink     TEXT NOT NULL,
  alert    TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  next_at  INTEGER,
  done_at  INTEGER,
  PRIMARY KEY (sink, alert)
) STRICT, WITHOUT ROWID;
