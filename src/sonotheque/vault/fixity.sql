-- Every fixity event, but for passes of preserved audits that a newer check of the copy has
-- overtaken. `run` is the audit that saw it, NULL where a deposit did.
CREATE TABLE IF NOT EXISTS fixity_event (
    number INTEGER PRIMARY KEY,
    run INTEGER,
    holding TEXT NOT NULL,
    root TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at TEXT NOT NULL,
    agent TEXT NOT NULL,
    path TEXT NOT NULL,
    detail TEXT NOT NULL,
    version INTEGER NOT NULL,
    method TEXT NOT NULL,
    sum BLOB NOT NULL AS (
        row_sum(number, run, holding, root, outcome, at, agent, path, detail, version, method)
    ) STORED
);
CREATE INDEX IF NOT EXISTS fixity_event_holding ON fixity_event (holding, number);
CREATE INDEX IF NOT EXISTS fixity_event_sum ON fixity_event (number, sum);
CREATE INDEX IF NOT EXISTS fixity_event_run ON fixity_event (run, number) WHERE run IS NOT NULL;
-- `ended` is 1 where nothing more is going to be checked, `preserved` where its events are in the
-- vault. The one that has not ended is gone on with.
CREATE TABLE IF NOT EXISTS fixity_run (
    number INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    heal INTEGER NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0,
    preserved INTEGER NOT NULL DEFAULT 0,
    sum BLOB NOT NULL AS (row_sum(number, at, heal, ended, preserved)) STORED
);
CREATE INDEX IF NOT EXISTS fixity_run_sum ON fixity_run (number, sum);
-- What must be there, by the object's name below a root, which is the order of an audit. `sums`
-- are the BLAKE3 digests of its files as of the inventory with that SHA-512, both once learnt.
CREATE TABLE IF NOT EXISTS fixity_object (
    name TEXT PRIMARY KEY,
    holding TEXT NOT NULL,
    version INTEGER NOT NULL,
    inventory BLOB NOT NULL,
    sums BLOB NOT NULL,
    sum BLOB NOT NULL AS (row_sum(name, holding, version, inventory, sums)) STORED
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS fixity_object_sum ON fixity_object (name, sum);
-- The newest check of each copy.
CREATE TABLE IF NOT EXISTS fixity_copy (
    name TEXT NOT NULL,
    root TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at TEXT NOT NULL,
    sha512_at TEXT NOT NULL,
    run INTEGER,
    sum BLOB NOT NULL AS (row_sum(name, root, outcome, at, sha512_at, run)) STORED,
    PRIMARY KEY (name, root)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS fixity_copy_sum ON fixity_copy (name, root, sum);
