CREATE TABLE IF NOT EXISTS ledger_entry (
    number INTEGER PRIMARY KEY,
    recording TEXT NOT NULL,
    entry BLOB NOT NULL,
    leaf_hash BLOB NOT NULL,
    sum BLOB NOT NULL AS (row_sum(number, recording, entry, leaf_hash)) STORED
);
CREATE INDEX IF NOT EXISTS ledger_entry_recording ON ledger_entry (recording, number);
CREATE TRIGGER IF NOT EXISTS ledger_entry_stays BEFORE UPDATE ON ledger_entry
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_entry_remains BEFORE DELETE ON ledger_entry
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
-- INSERT OR REPLACE would delete a row and ask no trigger about it.
CREATE TRIGGER IF NOT EXISTS ledger_entry_follows BEFORE INSERT ON ledger_entry
WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM ledger_entry)
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
