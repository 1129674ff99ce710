CREATE TABLE IF NOT EXISTS deposit_intent (
    sha512 TEXT PRIMARY KEY,
    recording TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deposit_receipt (
    deposit TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    document BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deposit_item (
    recording TEXT NOT NULL,
    at TEXT NOT NULL,
    deposit TEXT NOT NULL,
    position INTEGER NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (recording, at, deposit, position)
) WITHOUT ROWID;
