CREATE TABLE IF NOT EXISTS recording (
    id TEXT PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE,
    document BLOB NOT NULL,
    sum BLOB NOT NULL AS (row_sum(id, number, document)) STORED
);
CREATE INDEX IF NOT EXISTS recording_sum ON recording (id, sum);
CREATE TABLE IF NOT EXISTS recording_isrc (
    isrc TEXT NOT NULL,
    recording TEXT NOT NULL REFERENCES recording (id) ON DELETE CASCADE,
    sum BLOB NOT NULL AS (row_sum(isrc, recording)) STORED,
    PRIMARY KEY (isrc, recording)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS recording_isrc_sum ON recording_isrc (isrc, recording, sum);
