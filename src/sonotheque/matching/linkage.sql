-- Which rows of a catalogue are one recording: the single source of truth. `linkage` runs `part`
-- and `describe` for each piece of the catalogue, and the other steps for each bucket of rows that
-- share an artist, a title or an ISRC.

-- step: row_key
-- What a row is called in the result: anybody can reckon it.
CREATE TEMP MACRO IF NOT EXISTS row_key(source, source_id) AS
    md5_number_lower(concat(source, chr(31), source_id));

-- step: release_of
-- On which release a row stands, by its identifier as our sources make them: `<recording>#<release>`,
-- `<release>/<position>` or `<release>-<position>`; null where that does not say.
CREATE TEMP MACRO IF NOT EXISTS release_of(source_id) AS
    CASE WHEN contains(source_id, '#') THEN split_part(source_id, '#', 2)
         WHEN contains(source_id, '/') THEN split_part(source_id, '/', 1)
         WHEN regexp_matches(source_id, '^[0-9]+-') THEN split_part(source_id, '-', 1) END;

-- step: place_of
-- At which place on its release a row stands; null where its identifier does not say.
CREATE TEMP MACRO IF NOT EXISTS place_of(source_id) AS
    CASE WHEN contains(source_id, '#') THEN NULL
         WHEN contains(source_id, '/') THEN split_part(source_id, '/', 2)
         WHEN regexp_matches(source_id, '^[0-9]+-.') THEN regexp_replace(source_id, '^[0-9]+-', '') END;

-- step: plain
-- Letters that are another letter with a stroke, as people type them who do not have them.
CREATE TEMP MACRO IF NOT EXISTS plain(folded) AS
    replace(replace(translate(folded, 'øłđðı', 'olddi'), 'æ', 'ae'), 'œ', 'oe');

-- step: is_near
-- One sign wrong, missing or swapped, two in longer names. The engine compares bytes; one sign
-- beyond ASCII has up to three.
CREATE TEMP MACRO IF NOT EXISTS is_near(a, b) AS
    length(a) >= 4 AND length(b) >= 4 AND abs(length(a) - length(b)) <= 2
    AND CASE WHEN length(a) = strlen(a) AND length(b) = strlen(b)
             THEN damerau_levenshtein(a, b) <= CASE WHEN length(a) < 8 THEN 1 ELSE 2 END
             ELSE levenshtein(a, b) <= 3 END;

-- step: part
-- A title is what it is called, and what is said of it in brackets or after a dash. Guests go, from
-- titles and artists; the article after a comma goes, too. (RE2; the words of `names`.)
WITH without_guests AS (
    SELECT *,
           regexp_replace(
               regexp_replace(title, '(?i)[(\[（【]\s*(feat|ft|featuring)\b[^)\]）】]*[)\]）】]', ' ', 'g'),
               '(?i)\s(feat|ft|featuring)\b\.?\s[^(\[（【]*', ' ') AS plain_title
    FROM piece
), without_brackets AS (
    SELECT *,
           regexp_replace(plain_title, '[(\[（【][^)\]）】]*[)\]）】]', ' ', 'g') AS outside,
           array_to_string(regexp_extract_all(plain_title, '[(\[（【]([^)\]）】]*)[)\]）】]', 1), ' ')
               AS inside
    FROM without_guests
)
SELECT source, source_id, recording_id, isrc, other_isrcs, year, duration_ms,
       replace(regexp_replace(outside, '\s[-–—]\s.*$', ''), '&', ' and ') AS called,
       concat_ws(' ', inside, regexp_extract(outside, '\s[-–—]\s+(.*)$', 1)) AS said,
       title AS whole,
       replace(regexp_replace(regexp_replace(artist, '(?i)\s[(\[]?(feat|ft|featuring)\b.*$', ''),
                              '(?i),\s*(the|a|an|le|la|les|el|los|las|der|die|das)\s*$', ''),
               '&', ' and ') AS artist,
       album
FROM without_brackets;

-- step: describe
-- What of a row is compared. `folded` is what `part` gives, folded: lower case, no accents, no
-- punctuation. `versions` are bits, live and remix among them; `naming` is which one: the words
-- beside "live" or "remix", in no order. Remasters and live albums are evidence. What says nothing
-- ("untitled", "original mix") goes.
WITH bare AS (
    SELECT *,
           CASE WHEN called IN ('untitled', 'no title', 'unknown', 'sans titre', 'ohne titel', 'track')
                THEN '' WHEN called <> '' THEN called ELSE whole END AS bare_title,
           regexp_matches(said, '\bre ?master') AS remastered,
           trim(regexp_replace(regexp_replace(said,
               '\b((19|20)[0-9]{2} )?(digital(ly)? )?re ?master[a-z]*( version| edition)?( in)?( (19|20)[0-9]{2})?', ' '),
               '\b(original (mix|version)|album version|bonus track|bonus)\b', ' ', 'g')) AS qualifier
    FROM folded
), versioned AS (
    SELECT *, CASE WHEN qualifier = '' THEN 0 ELSE versions_of(qualifier) END AS versions FROM bare
), named AS (
    SELECT *,
           CASE WHEN versions = 0 THEN []
                ELSE list_sort(list_distinct(list_filter(
                    string_split(unmarked(qualifier), ' '),
                    lambda word: word <> '' AND word NOT IN ('version', 'at', 'in', 'from', 'the', 'by',
                                                         'de', 'a', 'au', 'en', 'im'))))
           END AS naming_words
    FROM versioned
)
SELECT row_key(source, source_id) AS row_key,
       source, source_id, recording_id,
       CAST(hash(source) % 65536 AS USMALLINT) AS source_mark,
       isrc, other_isrcs,
       plain(replace(bare_title, ' ', '')) AS title,
       trim(regexp_replace(qualifier, ' +', ' ', 'g')) AS qualifier,
       array_to_string(regexp_extract_all(concat(bare_title, ' ', qualifier),
                                          '\b([0-9]+|i{1,3}|iv|vi{0,3}|ix|x)\b', 1), ' ') AS numbers,
       artist,
       plain(replace(regexp_replace(artist, '^(the|a|an|le|la|les|el|los|las|der|die|das) (.)', '\2'),
                     ' ', '')) AS artist_key,
       CASE WHEN album <> '' THEN hash(album) END AS album,
       year, nullif(duration_ms, 0) AS duration_ms, versions, remastered,
       album <> '' AND regexp_matches(album, '\b(live|unplugged|in concert|en concert|en vivo|ao vivo)\b')
           AS on_stage,
       CASE WHEN contains(source_id, '#') THEN hash(source, split_part(source_id, '#', 1)) END AS own,
       CASE WHEN release_of(source_id) IS NOT NULL THEN hash(source, release_of(source_id)) END
           AS release,
       place_of(source_id) AS release_place,
       CASE WHEN len(naming_words) = 0 THEN 0 ELSE hash(naming_words) END AS naming
FROM named;

-- step: spread
-- A row stands in a block with those of its artist, those of its title, those of each of its ISRCs.
SELECT described.* EXCLUDE (source, source_id, recording_id, other_isrcs) REPLACE (
           CASE WHEN isrc IS NOT NULL THEN hash(isrc) END AS isrc),
       other_isrcs <> '' AS has_several_isrcs
FROM described;

-- step: by_artist
SELECT *, hash(artist_key) AS block FROM spread WHERE artist_key <> '';

-- step: by_title
SELECT *, hash(title) AS block FROM spread WHERE length(title) > 3;

-- step: by_isrc
SELECT spread.*, hash(one_isrc) AS block
FROM spread JOIN (
    SELECT row_key, unnest(list_filter(string_split(concat(isrc, ' ', other_isrcs), ' '),
                                       lambda one: one <> '')) AS one_isrc
    FROM described WHERE isrc IS NOT NULL
) USING (row_key);

-- step: crowd
-- How many rows stand in a block: one more name on a common title weighs less.
SELECT *, count(*) OVER (PARTITION BY block) AS crowd FROM block_rows;

-- step: population
-- What is learnt from: all pairs of some blocks, of large blocks those of forty rows.
WITH few AS (
    SELECT * FROM crowded
    WHERE crowd > 1 AND hash(block, 1) % {one_in} = 0
    QUALIFY row_number() OVER (PARTITION BY block ORDER BY row_key) <= 40
)
SELECT a, b FROM few AS a JOIN few AS b ON a.block = b.block AND a.row_key < b.row_key
WHERE {among};

-- step: candidates
-- Pairs within a `bracket`, each row with those that follow it in order of duration: all of them
-- where there are few, the next `window` where there are many, so that no block is too large.
WITH placed AS (
    SELECT *, row_number() OVER (PARTITION BY bracket ORDER BY duration_ms, row_key) AS place
    FROM (
        SELECT *, {bracket} AS bracket FROM crowded WHERE crowd > 1
          AND {bracket} IS NOT NULL
        QUALIFY count(*) OVER (PARTITION BY bracket) > 1
    )
), slotted AS (
    SELECT *, place // {window} AS slot FROM placed
), lent AS (
    SELECT *, unnest([place // {window}, place // {window} - 1]) AS slot FROM placed
)
SELECT a, b
FROM slotted AS a JOIN lent AS b
    ON a.bracket = b.bracket AND a.slot = b.slot
    AND b.place > a.place AND b.place <= a.place + {window}
WHERE {among};

-- step: compare
-- The evidence of each pair as levels, from 0, the most alike (`likelihood.COMPARISONS` names
-- them). What is in hard conflict is no pair: other versions (live and studio, a remix and none),
-- another of a kind (two remixers), durations further apart than 10 s and a twentieth.
SELECT least(a.row_key, b.row_key) AS row_a, greatest(a.row_key, b.row_key) AS row_b,
       CASE WHEN a.title = '' OR b.title = '' THEN 4
            WHEN a.title = b.title AND a.qualifier = b.qualifier THEN 0
            WHEN a.numbers <> '' AND b.numbers <> '' AND a.numbers <> b.numbers THEN 4
            WHEN a.title = b.title AND (a.qualifier = '' OR b.qualifier = '') THEN 1
            WHEN a.title = b.title AND a.versions <> 0 AND a.naming = b.naming THEN 2
            WHEN a.title = b.title
             AND (contains(concat(' ', a.qualifier, ' '), concat(' ', b.qualifier, ' '))
                  OR contains(concat(' ', b.qualifier, ' '), concat(' ', a.qualifier, ' '))) THEN 2
            WHEN a.title = b.title THEN 4
            WHEN is_near(a.title, b.title) THEN 3
            ELSE 4 END AS title,
       CASE WHEN a.artist_key = '' OR b.artist_key = '' THEN 4
            WHEN a.artist_key = b.artist_key THEN 0
            WHEN list_has_all(string_split(a.artist, ' '), string_split(b.artist, ' '))
              OR list_has_all(string_split(b.artist, ' '), string_split(a.artist, ' ')) THEN 1
            WHEN is_near(a.artist_key, b.artist_key) THEN 2
            ELSE 3 END AS artist,
       CASE WHEN a.duration_ms IS NULL OR b.duration_ms IS NULL THEN 3
            WHEN abs(a.duration_ms - b.duration_ms) <= 1000 THEN 0
            WHEN abs(a.duration_ms - b.duration_ms) <= 3000 THEN 1
            ELSE 2 END AS duration,
       CASE WHEN a.isrc = b.isrc THEN 0
            WHEN a.isrc IS NULL OR b.isrc IS NULL OR a.has_several_isrcs OR b.has_several_isrcs THEN 2
            ELSE 1 END AS isrc,
       CASE WHEN a.album IS NULL OR b.album IS NULL THEN 4
            WHEN a.album <> b.album THEN 3
            WHEN a.release_place = b.release_place THEN 0
            WHEN a.source_mark = b.source_mark THEN 1
            ELSE 2 END AS album,
       CASE WHEN a.year IS NULL OR b.year IS NULL THEN 3
            WHEN a.year = b.year THEN 0
            WHEN abs(a.year - b.year) = 1 THEN 1
            ELSE 2 END AS year,
       CASE WHEN a.remastered = b.remastered THEN 0 ELSE 1 END AS remaster,
       CASE WHEN a.on_stage = b.on_stage THEN 0 ELSE 1 END AS stage,
       CASE WHEN a.own = b.own THEN 0
            WHEN a.source_mark <> b.source_mark THEN 3
            WHEN a.release = b.release THEN 2
            WHEN a.own <> b.own THEN 1
            ELSE 3 END AS source,
       CASE WHEN a.crowd <= 2 THEN 0 WHEN a.crowd <= 4 THEN 1 WHEN a.crowd <= 16 THEN 2
            WHEN a.crowd <= 64 THEN 3 WHEN a.crowd <= 256 THEN 4 ELSE 5 END AS crowd
FROM candidates
WHERE a.row_key <> b.row_key
  AND a.versions = b.versions
  AND (a.naming = b.naming OR a.naming = 0 OR b.naming = 0)
  AND (a.duration_ms IS NULL OR b.duration_ms IS NULL
       OR abs(a.duration_ms - b.duration_ms)
          <= 10000 + greatest(a.duration_ms, b.duration_ms) // 20);

-- step: patterns
SELECT {levels}, count(*) AS pairs FROM compared GROUP BY ALL ORDER BY ALL;

-- step: score
SELECT row_a, row_b, '{route}' AS way, evidence, probability
FROM (SELECT row_a, row_b, CAST({evidence} AS INTEGER) AS evidence FROM compared)
JOIN scores USING (evidence)
WHERE probability >= {kept}
ORDER BY row_a, row_b;

-- step: conflicts
-- Why two rows can be no pair, by the rules of `compare`.
SELECT a.versions <> b.versions AS versions,
       a.naming <> b.naming AND a.naming <> 0 AND b.naming <> 0 AS naming,
       coalesce(abs(a.duration_ms - b.duration_ms)
                > 10000 + greatest(a.duration_ms, b.duration_ms) // 20, false) AS duration
FROM candidates;
