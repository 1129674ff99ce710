-- How rows become recordings: the single source of truth. The build runs `spread` once, `twice`
-- where keys come again, and the other steps in turn for each bucket of ISRCs.

-- step: spread
-- Rows that say the same of what they are of stand together: `claimant` is the ISRC (where a source
-- says that a recording carries several, the first of them), or what the source itself calls a
-- recording. A row of the snapshot before brings along the identifier that it described.
SELECT inputs.*,
       coalesce(aliases.meant, inputs.isrc,
                concat(source, chr(31), CASE WHEN contains(source_id, '#')
                                             THEN split_part(source_id, '#', 1)
                                             ELSE source_id END)) AS claimant
FROM inputs LEFT JOIN aliases ON inputs.isrc = aliases.isrc;

-- step: twice
-- Of rows with one key (source, source_id) the newest holds, and takes over what the older had.
-- `differs`: they do not describe the same.
SELECT source, source_id, newest, recording_id, former_ids, first_import, differs,
       unnest(buckets) AS bucket
FROM (
    SELECT source, source_id,
           max({'number': import_number, 'line': line}) AS newest,
           max(recording_id) AS recording_id,
           max(former_ids) AS former_ids,
           min(first_import) AS first_import,
           count(DISTINCT hash(isrc, title, artist, album, label, release_date, year,
                               duration_ms)) > 1 AS differs,
           list(DISTINCT bucket) AS buckets
    FROM spread
    WHERE hash(source, source_id) IN (SELECT hashed FROM repeated)
    GROUP BY source, source_id
    HAVING count(*) > 1
);

-- step: settle
SELECT bucket_rows.* REPLACE (
           coalesce(twice.recording_id, bucket_rows.recording_id) AS recording_id,
           coalesce(twice.former_ids, bucket_rows.former_ids) AS former_ids,
           coalesce(twice.first_import, bucket_rows.first_import) AS first_import
       ),
       coalesce(twice.differs, false) AS differs
FROM bucket_rows LEFT JOIN twice
     ON bucket_rows.source = twice.source AND bucket_rows.source_id = twice.source_id
WHERE twice.source IS NULL
   OR (import_number = twice.newest.number AND line = twice.newest.line);

-- step: gather
-- What the rows of a recording say together, where there are several.
SELECT claimant,
       max(popularity) AS popularity,
       max(streams) AS streams,
       bool_or(title <> '') AS described,
       min(CASE WHEN recording_id IS NOT NULL
                THEN {'since': first_import, 'id': recording_id} END).id AS carried_id,
       coalesce(string_agg(recording_id, ' ' ORDER BY recording_id), '') AS ids,
       coalesce(string_agg(former_ids, ' ' ORDER BY former_ids), '') AS former_ids
FROM settled GROUP BY claimant HAVING count(*) > 1;

-- step: place
-- What most rows agree on (folded title and artist) describes a recording best, then what is most
-- listened to; the others stand below it. A row without a title counts listeners, and describes
-- nothing.
SELECT settled_row,
       row_number() OVER (
           PARTITION BY claimant
           ORDER BY untitled, agreeing DESC, popularity DESC NULLS LAST, streams DESC NULLS LAST,
                    source, source_id
       ) AS place
FROM (
    SELECT *, count(*) OVER (PARTITION BY claimant, reading) AS agreeing
    FROM (
        SELECT settled.rowid AS settled_row, settled.claimant, settled.title = '' AS untitled,
               fold(concat(title, chr(31), artist)) AS reading,
               settled.popularity, settled.streams, source, source_id
        FROM settled JOIN gathered ON settled.claimant = gathered.claimant
    )
);

-- step: recordings
-- The rows in the order they are kept in: recordings by claimant, in each the describing row first.
SELECT settled.* EXCLUDE (recording_id, former_ids, popularity, streams, differs),
       settled.popularity, settled.streams,
       coalesce(place, 1) AS place,
       coalesce(described, title <> '') AS described,
       CASE WHEN coalesce(place, 1) = 1 THEN coalesce(carried_id, recording_id) END AS carried_id,
       differs OR recording_id IS NULL AS differs,
       coalesce(contains(gathered.ids, ' '), false) AS merges,
       CASE WHEN coalesce(place, 1) = 1
            THEN trim(replace(
                coalesce(concat_ws(' ', gathered.ids, gathered.former_ids), settled.former_ids),
                coalesce(carried_id, ' '), ''))
            ELSE '' END AS former_ids,
       coalesce(gathered.popularity, settled.popularity, 0) AS popularity_best,
       coalesce(gathered.streams, settled.streams, 0) AS streams_best
FROM settled
LEFT JOIN gathered ON settled.claimant = gathered.claimant
LEFT JOIN places ON settled.rowid = places.settled_row;

-- step: kept
-- A recording's lines as they are stored (see rows.py), and what the indexes are made of.
SELECT place, described,
       concat(CASE WHEN place = 1 THEN id END, chr(9), isrc, chr(9), title, chr(9), artist, chr(9),
              album, chr(9), label, chr(9), release_date, chr(9), year, chr(9), duration_ms, chr(9),
              popularity, chr(9), streams, chr(9), upc, chr(9), other_isrcs, chr(9), licence,
              chr(9), source, chr(9), source_id, chr(9), import_number, chr(9), first_import,
              chr(9), former_ids, chr(10)) AS row_text,
       id, claimant, isrc, upc, other_isrcs, former_ids, carried_id, differs, merges,
       md5_number_lower(concat(source, chr(31), CASE WHEN contains(source_id, '#')
                                                     THEN split_part(source_id, '#', 1)
                                                     ELSE source_id END)) AS source_key,
       title, artist, album, label, year, popularity_best, streams_best
FROM identified
ORDER BY claimant, place;
