CREATE TABLE IF NOT EXISTS recording (
    id TEXT PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE,
    document BLOB NOT NULL,
    sum BLOB NOT NULL AS (row_sum(id, number, document)) STORED
);
CREATE TABLE IF NOT EXISTS recording_isrc (
    isrc TEXT NOT NULL,
    recording TEXT NOT NULL REFERENCES recording (id) ON DELETE CASCADE,
    sum BLOB NOT NULL AS (row_sum(isrc, recording)) STORED,
    PRIMARY KEY (isrc, recording)
) WITHOUT ROWID;
