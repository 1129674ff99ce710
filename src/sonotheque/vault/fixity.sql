CREATE TABLE IF NOT EXISTS fixity_event (
    number INTEGER PRIMARY KEY,
    holding TEXT NOT NULL,
    root TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at TEXT NOT NULL,
    agent TEXT NOT NULL,
    path TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS fixity_event_holding ON fixity_event (holding, number);
