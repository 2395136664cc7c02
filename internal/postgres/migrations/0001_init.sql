-- Times are microseconds of Unix time, UTC; NULL is the zero time. Ids are text; an empty text is "none". Texts are ordered by their bytes.
-- Partial indexes hold only what is under way, so nothing that is asked often grows with history.
-- Every key of what is in a conversation begins with it, so that a sharded PostgreSQL can keep each conversation, its scope and its log on
-- one node. Only alerts_by_id is unique across conversations.

-- The version of the schema: the newest of these. Every update reads it first, so a migration that locks the table has no update beside it.
CREATE TABLE agentbridge (
  schema BIGINT PRIMARY KEY
);

-- What updates run alone in: their rows are locked and never changed.
CREATE TABLE scopes (
  id TEXT COLLATE "C" PRIMARY KEY
);

-- Processes that have the store open. Who no longer counts on is dead.
CREATE TABLE processes (
  instance TEXT COLLATE "C" PRIMARY KEY,
  beat     BIGINT NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE meta (
  key   TEXT COLLATE "C" PRIMARY KEY,
  value BYTEA NOT NULL
);

CREATE TABLE agents (
  id         TEXT COLLATE "C" PRIMARY KEY,
  name       TEXT COLLATE "C" NOT NULL,
  local      BIGINT NOT NULL,
  created_at BIGINT
);
CREATE INDEX agents_by_name ON agents (name, id);

CREATE TABLE tokens (
  id           TEXT COLLATE "C" PRIMARY KEY,
  agent        TEXT COLLATE "C" NOT NULL,
  key_id       TEXT COLLATE "C" NOT NULL,
  tag          BYTEA NOT NULL,
  seal         BYTEA NOT NULL,
  created_at   BIGINT,
  expires_at   BIGINT,
  revoked_at   BIGINT,
  parent       TEXT COLLATE "C" NOT NULL,
  rank         TEXT COLLATE "C" NOT NULL,
  conversation TEXT COLLATE "C" NOT NULL
);
CREATE INDEX tokens_by_agent ON tokens (agent, created_at NULLS FIRST, id);

CREATE TABLE conversations (
  id         TEXT COLLATE "C" PRIMARY KEY,
  title      TEXT COLLATE "C" NOT NULL,
  creator    TEXT COLLATE "C" NOT NULL,
  created_at BIGINT,
  expires_at BIGINT,
  closed_at  BIGINT,
  warned_at  BIGINT,
  buried_at  BIGINT,
  erased_at  BIGINT,
  due_at     BIGINT,
  last_seq   BIGINT NOT NULL,
  paused_at  BIGINT,
  paused_by  TEXT COLLATE "C" NOT NULL,
  turns      BIGINT NOT NULL,
  spoke_by   TEXT COLLATE "C" NOT NULL,
  spoke_at   BIGINT,
  last_task  BIGINT NOT NULL,
  last_fence BIGINT NOT NULL,
  seen_at    BIGINT,
  key        BYTEA NOT NULL,
  head       BYTEA NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX conversations_due ON conversations (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX conversations_unburied ON conversations (id) WHERE buried_at IS NULL AND erased_at IS NULL;

CREATE TABLE members (
  conversation TEXT COLLATE "C" NOT NULL,
  name         TEXT COLLATE "C" NOT NULL,
  role         TEXT COLLATE "C" NOT NULL,
  rank         TEXT COLLATE "C" NOT NULL,
  agent        TEXT COLLATE "C" NOT NULL,
  invited_at   BIGINT,
  joined_at    BIGINT,
  revoked_at   BIGINT,
  status       TEXT COLLATE "C" NOT NULL,
  note         TEXT COLLATE "C" NOT NULL,
  status_at    BIGINT,
  silent_at    BIGINT,
  PRIMARY KEY (conversation, name)
);
CREATE INDEX memberships ON members (agent, conversation, name) WHERE agent <> '' AND revoked_at IS NULL;

CREATE TABLE invites (
  conversation TEXT COLLATE "C" NOT NULL,
  id           TEXT COLLATE "C" NOT NULL,
  name         TEXT COLLATE "C" NOT NULL,
  key_id       TEXT COLLATE "C" NOT NULL,
  tag          BYTEA NOT NULL,
  created_at   BIGINT,
  expires_at   BIGINT,
  used_at      BIGINT,
  used_by      TEXT COLLATE "C" NOT NULL,
  failures     BIGINT NOT NULL,
  void         BIGINT NOT NULL,
  PRIMARY KEY (conversation, id)
);
CREATE INDEX invites_by_id ON invites (id);
CREATE INDEX invites_by_conversation ON invites (conversation, created_at NULLS FIRST, id);
CREATE INDEX invites_open ON invites (name, created_at NULLS FIRST, id) WHERE used_at IS NULL AND void = 0;

CREATE TABLE messages (
  conversation TEXT COLLATE "C" NOT NULL,
  seq          BIGINT NOT NULL,
  id           TEXT COLLATE "C" NOT NULL,
  "from"       TEXT COLLATE "C" NOT NULL,
  role         TEXT COLLATE "C" NOT NULL,
  rank         TEXT COLLATE "C" NOT NULL,
  text         TEXT COLLATE "C" NOT NULL,
  action_type  TEXT COLLATE "C" NOT NULL,
  files        TEXT COLLATE "C", -- a JSON array
  reply_to     TEXT COLLATE "C" NOT NULL,
  sent_at      BIGINT,
  digest       TEXT COLLATE "C" NOT NULL,
  redacted     BIGINT NOT NULL,
  PRIMARY KEY (conversation, seq)
);
CREATE UNIQUE INDEX messages_by_id ON messages (conversation, id);

CREATE TABLE deliveries (
  conversation TEXT COLLATE "C" NOT NULL,
  seq          BIGINT NOT NULL,
  recipient    TEXT COLLATE "C" NOT NULL,
  message      TEXT COLLATE "C" NOT NULL,
  state        TEXT COLLATE "C" NOT NULL,
  at           BIGINT,
  reason       TEXT COLLATE "C" NOT NULL,
  how          TEXT COLLATE "C" NOT NULL,
  attempts     BIGINT NOT NULL,
  receipt      TEXT COLLATE "C" NOT NULL,
  instance     TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (conversation, seq, recipient)
);
CREATE INDEX deliveries_waiting ON deliveries (conversation, recipient, seq) WHERE state = 'stored';
CREATE INDEX deliveries_held ON deliveries (conversation, recipient, seq) WHERE state = 'delivered';
CREATE INDEX deliveries_batch ON deliveries (conversation, recipient, receipt, seq) WHERE receipt <> '';

-- What can be long comes last.
CREATE TABLE tasks (
  conversation TEXT COLLATE "C" NOT NULL,
  n            BIGINT NOT NULL,
  id           TEXT COLLATE "C" NOT NULL,
  title        TEXT COLLATE "C" NOT NULL,
  priority     BIGINT NOT NULL,
  blockers     BIGINT NOT NULL,
  assign_to    TEXT COLLATE "C" NOT NULL,
  reassign     BIGINT NOT NULL,
  lease        BIGINT NOT NULL, -- microseconds
  added_by     TEXT COLLATE "C" NOT NULL,
  added_at     BIGINT,
  digest       TEXT COLLATE "C" NOT NULL,
  redacted     BIGINT NOT NULL,
  state        TEXT COLLATE "C" NOT NULL,
  changed_at   BIGINT,
  attempts     BIGINT NOT NULL,
  ended        TEXT COLLATE "C" NOT NULL,
  holder       TEXT COLLATE "C" NOT NULL,
  agent        TEXT COLLATE "C" NOT NULL,
  instance     TEXT COLLATE "C" NOT NULL,
  fence        BIGINT NOT NULL,
  leased_at    BIGINT,
  nudged_at    BIGINT,
  files        TEXT COLLATE "C", -- a JSON array
  after        TEXT COLLATE "C", -- a JSON array
  detail       TEXT COLLATE "C" NOT NULL,
  result       TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (conversation, n)
);
CREATE UNIQUE INDEX tasks_by_id ON tasks (conversation, id);
CREATE INDEX tasks_by_state ON tasks (conversation, state, n);
CREATE INDEX tasks_ready ON tasks (conversation, assign_to, priority DESC, n) WHERE state = 'open' AND blockers = 0;
CREATE INDEX tasks_assigned ON tasks (conversation, assign_to, n) WHERE state = 'open' AND assign_to <> '';
CREATE INDEX tasks_claimed ON tasks (conversation, n) WHERE state = 'claimed';

-- Which tasks come after one: the lists of tasks.after, the other way round.
CREATE TABLE task_after (
  conversation TEXT COLLATE "C" NOT NULL,
  after        TEXT COLLATE "C" NOT NULL,
  n            BIGINT NOT NULL,
  PRIMARY KEY (conversation, after, n)
);

CREATE TABLE alerts (
  conversation TEXT COLLATE "C" NOT NULL,
  id           TEXT COLLATE "C" NOT NULL,
  kind         TEXT COLLATE "C" NOT NULL,
  at           BIGINT,
  member       TEXT COLLATE "C" NOT NULL,
  task         TEXT COLLATE "C" NOT NULL,
  text         TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (conversation, id)
);
CREATE UNIQUE INDEX alerts_by_id ON alerts (id);
CREATE INDEX alerts_by_time ON alerts (at, id);

CREATE TABLE sendings (
  sink     TEXT COLLATE "C" NOT NULL,
  alert    TEXT COLLATE "C" NOT NULL,
  attempts BIGINT NOT NULL,
  next_at  BIGINT,
  done_at  BIGINT,
  PRIMARY KEY (sink, alert)
);

CREATE TABLE presence (
  agent        TEXT COLLATE "C" NOT NULL,
  instance     TEXT COLLATE "C" NOT NULL,
  started_at   BIGINT,
  heartbeat_at BIGINT,
  progress_at  BIGINT,
  ended_at     BIGINT,
  PRIMARY KEY (agent, instance)
) WITH (fillfactor = 50);

CREATE TABLE charges (
  conversation TEXT COLLATE "C" NOT NULL,
  holder       TEXT COLLATE "C" NOT NULL,
  kind         TEXT COLLATE "C" NOT NULL,
  n            BIGINT NOT NULL,
  at           BIGINT NOT NULL,
  PRIMARY KEY (conversation, holder, kind, n)
);
-- Charges to no conversation are of agents and addresses, which may never come again: the sweep forgets them by their age.
CREATE INDEX charges_old ON charges (at) WHERE conversation = '';

CREATE TABLE entries (
  log    TEXT COLLATE "C" NOT NULL,
  n      BIGINT NOT NULL,
  at     BIGINT,
  actor  TEXT COLLATE "C" NOT NULL,
  action TEXT COLLATE "C" NOT NULL,
  record BYTEA NOT NULL,
  PRIMARY KEY (log, n)
);

-- Conversations whose log has grown to size since the deployment's log last told its head.
CREATE TABLE grown (
  conversation TEXT COLLATE "C" PRIMARY KEY,
  size         BIGINT NOT NULL
) WITH (fillfactor = 50);
