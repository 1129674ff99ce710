CREATE TABLE IF NOT EXISTS recording (
    id TEXT PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE,
    document BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS recording_isrc (
    isrc TEXT NOT NULL,
    recording TEXT NOT NULL REFERENCES recording (id) ON DELETE CASCADE,
    PRIMARY KEY (isrc, recording)
) WITHOUT ROWID;
