CREATE TABLE IF NOT EXISTS deposit_intent (
    sha512 TEXT PRIMARY KEY,
    recording TEXT NOT NULL,
    sum BLOB NOT NULL AS (row_sum(sha512, recording)) STORED
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deposit_intent_sum ON deposit_intent (sha512, sum);
CREATE TABLE IF NOT EXISTS deposit_receipt (
    deposit TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    document BLOB NOT NULL,
    sum BLOB NOT NULL AS (row_sum(deposit, at, document)) STORED
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deposit_receipt_sum ON deposit_receipt (deposit, sum);
CREATE TABLE IF NOT EXISTS deposit_item (
    recording TEXT NOT NULL,
    at TEXT NOT NULL,
    deposit TEXT NOT NULL,
    position INTEGER NOT NULL,
    document BLOB NOT NULL,
    sum BLOB NOT NULL AS (row_sum(recording, at, deposit, position, document)) STORED,
    PRIMARY KEY (recording, at, deposit, position)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deposit_item_sum ON deposit_item (recording, at, deposit, position, sum);
