-- How rows become recordings: the single source of truth, in three steps.
-- The build runs `settle` for each slice of the keys, `claim` once, `rank` for each bucket of ISRCs.

-- step: settle
-- Of rows with one key (source, source_id) the newest holds; older ones are replaced by it.
-- A row that was in the snapshot before brings the identifier of its recording along, and the
-- ISRC it had then (`home_isrc`).
SELECT source, source_id, isrc, other_isrcs, title, artist, album, label, upc, licence, release_date,
       year, duration_ms, popularity, streams, line, import_number,
       earliest AS first_import, known_id, home_isrc
FROM (
    SELECT *,
           max(recording_id) OVER same_key AS known_id,
           max(CASE WHEN recording_id IS NOT NULL THEN isrc END) OVER same_key AS home_isrc,
           min(first_import) OVER same_key AS earliest,
           row_number() OVER (
               PARTITION BY source, source_id ORDER BY import_number DESC, line DESC
           ) AS age
    FROM slice_rows
    WINDOW same_key AS (PARTITION BY source, source_id)
)
WHERE age = 1;

-- step: claim
-- Where rows moved to another ISRC and none of their recording stayed behind, its identifier
-- moves along: to one group (`claimant`) alone, and no group takes more than one.
WITH moved AS (
    SELECT known_id, min(coalesce(isrc, concat(source, chr(31), source_id))) AS claimant
    FROM settled_rows
    WHERE known_id IS NOT NULL AND home_isrc IS DISTINCT FROM isrc
    GROUP BY known_id
), stayed AS (
    SELECT DISTINCT settled_rows.known_id
    FROM settled_rows JOIN moved ON settled_rows.known_id = moved.known_id
    WHERE home_isrc IS NOT DISTINCT FROM isrc
)
SELECT moved.claimant, min(moved.known_id) AS claimed_id
FROM moved LEFT JOIN stayed ON moved.known_id = stayed.known_id
WHERE stayed.known_id IS NULL
GROUP BY moved.claimant;

-- step: rank
-- Rows with one ISRC are one recording; a row without is one by itself. What most rows agree on
-- (folded title and artist) describes it best, then what is most listened to; the other rows are
-- kept as provenance.
WITH keyed AS (
    SELECT *,
           coalesce(isrc, concat(source, chr(31), source_id)) AS claimant,
           fold(concat(title, chr(31), artist)) AS reading
    FROM bucket_rows
), counted AS (
    SELECT *, count(*) OVER (PARTITION BY claimant, reading) AS agreeing FROM keyed
)
SELECT counted.* EXCLUDE (reading, first_import),
       min(first_import) OVER (PARTITION BY counted.claimant) AS first_import,
       row_number() OVER (
           PARTITION BY counted.claimant
           ORDER BY agreeing DESC, popularity DESC NULLS LAST, streams DESC NULLS LAST,
                    source, source_id
       ) AS place,
       coalesce(
           max(CASE WHEN home_isrc IS NOT DISTINCT FROM isrc THEN known_id END)
               OVER (PARTITION BY counted.claimant),
           claimed_id
       ) AS carried_id
FROM counted LEFT JOIN claims ON counted.claimant = claims.claimant;
