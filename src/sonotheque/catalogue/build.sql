-- How rows become recordings: the single source of truth. The build runs `spread` once, `twice`
-- and `stay` where keys come again, and the other steps in turn for each bucket of ISRCs.

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
-- `differs`: they do not describe the same. `moved`: the newest is of another recording.
SELECT *, moved_from IS NOT NULL AS moved, unnest(buckets) AS bucket
FROM (
    SELECT source, source_id,
           max({'number': import_number, 'line': line}) AS newest,
           max(recording_id) AS recording_id,
           max(former_ids) AS former_ids,
           min(first_import) AS first_import,
           count(DISTINCT hash(isrc, title, artist, album, label, release_date, year,
                               duration_ms)) > 1 AS differs,
           nullif(max(CASE WHEN recording_id IS NOT NULL THEN claimant END),
                  arg_max(claimant, {'number': import_number, 'line': line})) AS moved_from,
           list(DISTINCT bucket) AS buckets
    FROM spread
    WHERE hash(source, source_id) IN (SELECT hashed FROM repeated)
    GROUP BY source, source_id
    HAVING count(*) > 1
);

-- step: stay
-- Where the row that described a recording moved away and other rows of it stayed, so does its
-- identifier.
WITH moved AS (
    SELECT DISTINCT source, source_id, recording_id, former_ids, first_import, moved_from
    FROM twice WHERE moved
)
SELECT DISTINCT moved.moved_from AS claimant, moved.recording_id, moved.former_ids,
       moved.first_import
FROM moved JOIN spread ON spread.claimant = moved.moved_from
LEFT JOIN twice ON spread.source = twice.source AND spread.source_id = twice.source_id
WHERE twice.source IS NULL
   OR (import_number = twice.newest.number AND line = twice.newest.line);

-- step: settle
SELECT bucket_rows.* REPLACE (
           CASE WHEN stayed.recording_id IS NOT NULL THEN NULL
                ELSE coalesce(twice.recording_id, bucket_rows.recording_id) END AS recording_id,
           CASE WHEN stayed.recording_id IS NOT NULL THEN ''
                ELSE coalesce(twice.former_ids, bucket_rows.former_ids) END AS former_ids,
           coalesce(twice.first_import, bucket_rows.first_import) AS first_import
       ),
       coalesce(twice.differs, false) AS differs,
       coalesce(twice.moved, false) AS moved
FROM bucket_rows
LEFT JOIN twice ON bucket_rows.source = twice.source AND bucket_rows.source_id = twice.source_id
LEFT JOIN stayed ON twice.recording_id = stayed.recording_id
WHERE twice.source IS NULL
   OR (import_number = twice.newest.number AND line = twice.newest.line);

-- step: gather
-- What the rows of a recording say together, where there are several.
SELECT claimant,
       max(popularity) AS popularity,
       max(streams) AS streams,
       min(first_import) AS since,
       bool_or(title <> '') AS described,
       min(hash(title, artist)) <> max(hash(title, artist)) AS varied,
       min(CASE WHEN recording_id IS NOT NULL
                THEN {'moved': moved, 'since': first_import, 'id': recording_id} END).id
           AS carried_id
FROM settled GROUP BY claimant HAVING count(*) > 1;

-- step: merge
-- Recordings that were several before: all their identifiers lead to the one that is left.
SELECT claimant,
       string_agg(concat_ws(' ', recording_id, former_ids), ' ' ORDER BY recording_id) AS ids,
       count(*) > 1 AS merges
FROM settled WHERE recording_id IS NOT NULL
GROUP BY claimant HAVING count(*) > 1 OR any_value(former_ids) <> ''
                      OR claimant IN (SELECT claimant FROM stayed);

-- step: vary
-- Where the rows of a recording do not agree to the letter, they are compared folded: `readings`.
SELECT settled.rowid AS settled_row, concat(title, chr(31), artist) AS reading
FROM settled JOIN gathered ON settled.claimant = gathered.claimant
WHERE varied;

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
               reading,
               settled.popularity, settled.streams, source, source_id
        FROM settled JOIN gathered ON settled.claimant = gathered.claimant
        LEFT JOIN readings ON settled.rowid = readings.settled_row
    )
);

-- step: recordings
-- The rows in the order they are kept in: recordings by claimant, in each the describing row first.
SELECT settled.* EXCLUDE (recording_id, former_ids, popularity, streams, differs, moved),
       settled.popularity, settled.streams,
       coalesce(place, 1) AS place,
       coalesce(described, title <> '') AS described,
       CASE WHEN coalesce(place, 1) = 1
            THEN coalesce(stayed.recording_id, gathered.carried_id, settled.recording_id)
            END AS carried_id,
       differs OR settled.recording_id IS NULL AS differs,
       coalesce(merges, false) AS merges,
       CASE WHEN coalesce(place, 1) = 1
            THEN trim(replace(
                concat_ws(' ', coalesce(ids, concat_ws(' ', settled.recording_id,
                                                       settled.former_ids)), stayed.former_ids),
                coalesce(stayed.recording_id, gathered.carried_id, settled.recording_id, ' '), ''))
            ELSE '' END AS former_ids,
       least(coalesce(gathered.since, settled.first_import), stayed.first_import) AS since,
       coalesce(gathered.popularity, settled.popularity, 0) AS popularity_best,
       coalesce(gathered.streams, settled.streams, 0) AS streams_best
FROM settled
LEFT JOIN gathered ON settled.claimant = gathered.claimant
LEFT JOIN merged ON settled.claimant = merged.claimant
LEFT JOIN stayed ON settled.claimant = stayed.claimant
LEFT JOIN places ON settled.rowid = places.settled_row;

-- step: kept
-- A recording's lines as they are stored (see rows.py), and what the indexes are made of.
SELECT place, described,
       concat(CASE WHEN place = 1 THEN id END, chr(9), isrc, chr(9), title, chr(9), artist, chr(9),
              album, chr(9), label, chr(9), release_date, chr(9), year, chr(9), duration_ms, chr(9),
              popularity, chr(9), streams, chr(9), upc, chr(9), other_isrcs, chr(9), licence,
              chr(9), source, chr(9), source_id, chr(9), import_number, chr(9), first_import,
              chr(9), former_ids, chr(10)) AS row_text,
       id, claimant, isrc, upc, other_isrcs, former_ids, carried_id IS NULL AS is_minted, since, differs,
       merges,
       md5_number_lower(concat(source, chr(31), CASE WHEN contains(source_id, '#')
                                                     THEN split_part(source_id, '#', 1)
                                                     ELSE source_id END)) AS source_key,
       title, artist, album, label, year, popularity_best, streams_best
FROM (
    SELECT *,
           CASE WHEN place = 1 AND described THEN coalesce(carried_id, mint(claimant)) END AS id
    FROM recordings
)
ORDER BY claimant, place;
