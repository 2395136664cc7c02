-- Child tokens, logs whose head the deployment's log has not told yet, charges to addresses.

ALTER TABLE tokens ADD COLUMN parent TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN rank TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN conversation TEXT NOT NULL DEFAULT '';

-- Conversations whose log has grown to size since the deployment's log last told its head.
CREATE TABLE grown (
  conversation TEXT PRIMARY KEY,
  size         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Charges to no conversation are of agents and addresses, which may never come again: the sweep forgets them by their age.
CREATE INDEX charges_old ON charges (at) WHERE conversation = '';
