-- Commands that agents ask for, and a person's leave for them.

CREATE TABLE permits (
  conversation TEXT COLLATE "C" PRIMARY KEY,
  mode         BIGINT NOT NULL,
  workspace    TEXT NOT NULL,
  auto         BIGINT NOT NULL,
  in_client    BIGINT NOT NULL,
  key          BYTEA,
  from_at      BIGINT,
  until_at     BIGINT,
  ended_at     BIGINT,
  served_at    BIGINT,
  signature    BYTEA
);

-- What can be long comes last, so that the rest is read without it.
CREATE TABLE commands (
  conversation TEXT COLLATE "C" NOT NULL,
  id           TEXT COLLATE "C" NOT NULL,
  member       TEXT NOT NULL,
  agent        TEXT NOT NULL,
  mode         BIGINT NOT NULL,
  verdict      TEXT NOT NULL,
  state        TEXT COLLATE "C" NOT NULL,
  asked_at     BIGINT,
  expires_at   BIGINT,
  changed_at   BIGINT,
  network      BIGINT NOT NULL,
  approval     BYTEA,
  runner       TEXT NOT NULL,
  exit         BIGINT NOT NULL,
  size         BIGINT NOT NULL,
  cut          BIGINT NOT NULL,
  outcome      TEXT NOT NULL,
  workspace    TEXT NOT NULL,
  why          TEXT NOT NULL,
  word         TEXT NOT NULL,
  reason       TEXT NOT NULL,
  text         TEXT NOT NULL,
  output       TEXT NOT NULL,
  PRIMARY KEY (conversation, id)
);
CREATE INDEX commands_by_state ON commands (state, changed_at, id, conversation);
