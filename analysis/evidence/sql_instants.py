"""The loader's SQL that turns stamps into instants. Values are bound."""

from typing import Final

# A record whose stamp is blank was written in the same step as the last one that has a stamp.
INHERIT: Final = """
UPDATE stretches SET
    logged_us = known.last.logged_us, zoned = known.last.zoned, resolution_us = known.last.resolution_us
FROM (
    SELECT record_id, logged_us IS NULL AS is_blank,
           last_value(CASE WHEN logged_us IS NOT NULL THEN
               {'logged_us': logged_us, 'zoned': zoned, 'resolution_us': resolution_us}
           END IGNORE NULLS) OVER (ORDER BY record_id) AS last
    FROM stretches WHERE source_id = $source_id AND reason IS NULL
) AS known
WHERE stretches.record_id = known.record_id AND is_blank AND known.last IS NOT NULL
"""

UNDATED: Final = "(logged_us <= 86400000000 OR logged_us BETWEEN 946684800000000 AND 978307200000000)"
"""Stamps without a day were read on 1 January 1970, those without a year in 2000. A wrapped line's may have both."""

# Stamps that lack their day or year: a long step back is midnight or New Year. A long step forward is a line that
# comes late, from before it.
TURNS: Final = f"""
SELECT record_id, logged_us,
       CAST(sum(CASE WHEN step < -$half_us THEN 1 WHEN step > $straggler_us THEN -1 ELSE 0 END)
            OVER (ORDER BY record_id) AS INTEGER) AS turns
FROM (
    SELECT record_id, logged_us, logged_us - lag(logged_us) OVER (ORDER BY record_id) AS step
    FROM stretches WHERE source_id = $source_id AND reason IS NULL AND {UNDATED}
)
"""  # noqa: S608 - our own literals

DATED: Final = """
UPDATE stretches SET logged_us = dated.logged_us,
    reason = CASE WHEN dated.logged_us BETWEEN 0 AND $latest_us THEN NULL ELSE $why END
"""

ADD_DATES: Final = f"""
{DATED}
FROM (SELECT record_id, logged_us + $day_us * ($day + turns) AS logged_us FROM ({TURNS})) AS dated
WHERE stretches.record_id = dated.record_id
"""  # noqa: S608 - our own literals

YEARLESS_SPAN: Final = f"""
SELECT epoch_us(min(stamp)), epoch_us(max(stamp)),
       list(DISTINCT turns ORDER BY turns) FILTER (month(stamp) = 2 AND day(make_timestamp(logged_us)) = 29)
FROM (SELECT turns, logged_us, TRY(make_timestamp(logged_us) + to_years(turns)) AS stamp FROM ({TURNS}))
WHERE year(stamp) BETWEEN 1 AND 9999
"""  # noqa: S608 - our own literals

# 29 February of a year without one becomes the 28th, and is then none of the file's days.
ADD_YEARS: Final = f"""
{DATED}
FROM (
    SELECT record_id,
           CASE WHEN day(stamp) = day(make_timestamp(logged_us)) THEN epoch_us(stamp) END AS logged_us
    FROM (
        SELECT record_id, logged_us, TRY(make_timestamp(logged_us) + to_years(CAST($years + turns AS INTEGER))) AS stamp
        FROM ({TURNS})
    )
) AS dated
WHERE stretches.record_id = dated.record_id
"""  # noqa: S608 - our own literals

# The other logs: those that are finished.
OTHERS: Final = "stretches SEMI JOIN sources USING (source_id) WHERE reason IS NULL AND logged_us IS NOT NULL"

YEARS_OF_OTHERS: Final = f"""
SELECT year(make_timestamp(logged_us)) AS year, count(*) FROM {OTHERS} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $most
"""  # noqa: S608 - our own literals

OTHERS_WITHIN: Final = f"""
SELECT year, count(*)
FROM (SELECT unnest($years) AS year, unnest($from_us) AS from_us, unnest($by_us) AS by_us) AS candidate
JOIN (SELECT logged_us FROM {OTHERS}) AS other ON logged_us BETWEEN from_us AND by_us
GROUP BY 1
"""  # noqa: S608 - our own literals

MIDDLE_OF_OTHERS: Final = f"SELECT quantile_disc(logged_us, 0.5) FROM {OTHERS}"  # noqa: S608 - our own literals

COUNT_UNSTAMPED: Final = """
SELECT count(*) FROM stretches WHERE source_id = $source_id AND reason IS NULL AND logged_us IS NULL
"""

# zoned: true, the stamp is an instant; false, it is a local reading; NULL, it is one that names a zone (CET).
LOCAL_SPAN: Final = """
SELECT min(logged_us) FILTER (zoned IS NOT TRUE), max(logged_us) FILTER (zoned IS NOT TRUE),
       count(logged_us) FILTER (zoned IS NOT TRUE), count(logged_us) FILTER (zoned IS NULL), count(logged_us)
FROM stretches WHERE source_id = $source_id AND reason IS NULL
"""

LOCAL_DAYS: Final = """
SELECT DISTINCT logged_us // 86400000000 FROM stretches
WHERE source_id = $source_id AND reason IS NULL AND zoned IS NOT TRUE AND logged_us IS NOT NULL ORDER BY 1
"""

SHIFT: Final = """
UPDATE stretches SET logged_us = logged_us - piece.offset_us
FROM (SELECT unnest($since) AS since_us, unnest($until) AS until_us, unnest($offset) AS offset_us) AS piece
WHERE source_id = $source_id AND zoned IS NOT TRUE AND logged_us >= piece.since_us AND logged_us < piece.until_us
"""

ZONE_NAME: Final = "regexp_extract(left(text, 1024), '[0-9]:[0-9]{2}(?:[.,][0-9]+)? ?([A-Za-z]{2,5})', 1)"

# Stamps whose zone's name is not what the case's zone is called then.
FOREIGN_NAMES: Final = f"""
SELECT name, count(*), min(line_no)
FROM (
    SELECT {ZONE_NAME} AS name, line_no, logged_us FROM stretches
    WHERE source_id = $source_id AND reason IS NULL AND zoned IS NULL
) AS named
ANTI JOIN (SELECT unnest($since) AS since_us, unnest($until) AS until_us, unnest($name) AS called) AS piece
ON named.logged_us >= piece.since_us AND named.logged_us < piece.until_us AND upper(named.name) = piece.called
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3
"""  # noqa: S608 - our own literals

# Local readings that the zone has twice or never. The file's order tells the first pass from the second where it
# steps back by half the width or more, once; a line late by $late_us steps forth and back again. That holds only if
# nothing else stands between, but for lines up to $slack_us off. A zone's name tells the pass of its own stamp.
READ_TWICE: Final = f"""
CREATE OR REPLACE TEMP TABLE read_twice AS
WITH doubt AS (
    SELECT unnest($number) AS number, unnest($is_fold) AS is_fold,
           unnest($since) AS since_us, unnest($until) AS until_us,
           unnest($before_us) AS before_us, unnest($after_us) AS after_us,
           unnest($before_name) AS before_name, unnest($after_name) AS after_name
), near AS (
    SELECT local.*, doubt.*, until_us - since_us AS width_us,
           logged_us >= since_us AND logged_us < until_us AS is_inside
    FROM (
        SELECT record_id, line_no, logged_us, row_number() OVER (ORDER BY record_id) AS place FROM stretches
        WHERE source_id = $source_id AND reason IS NULL AND zoned IS NOT TRUE AND logged_us IS NOT NULL
    ) AS local JOIN doubt ON logged_us >= since_us - $slack_us AND logged_us < until_us + $slack_us
), stepped AS (
    SELECT *, logged_us - lag(logged_us) OVER (PARTITION BY number ORDER BY place) AS step FROM near WHERE is_inside
), passed AS (
    SELECT *, sum(CASE WHEN step <= -width_us // 2 THEN 1 WHEN step >= width_us - $late_us THEN -1 ELSE 0 END)
              OVER (PARTITION BY number ORDER BY place) AS pass
    FROM stepped
), ends AS (
    SELECT number, min(place) AS first_place, max(place) AS last_place FROM passed GROUP BY number
    HAVING bool_and(is_fold) AND min(pass) = 0 AND max(pass) = 1 AND arg_max(pass, place) = 1
), decided AS (
    SELECT number FROM ends JOIN near USING (number) WHERE $in_order AND place BETWEEN first_place AND last_place
    GROUP BY number, first_place, last_place HAVING count(*) = last_place - first_place + 1
), told AS (
    SELECT passed.*, CASE
               WHEN upper(zone_name) = before_name AND before_name <> after_name THEN before_us
               WHEN upper(zone_name) = after_name AND before_name <> after_name THEN after_us
               WHEN decided.number IS NOT NULL THEN CASE WHEN pass = 1 THEN after_us ELSE before_us END
           END AS offset_us
    FROM passed LEFT JOIN decided USING (number) LEFT JOIN (
        SELECT record_id, {ZONE_NAME} AS zone_name FROM stretches
        WHERE source_id = $source_id AND zoned IS NULL AND record_id IN (SELECT record_id FROM passed)
    ) AS named USING (record_id)
)
SELECT number, record_id, line_no, logged_us - coalesce(offset_us, greatest(before_us, after_us)) AS first_us,
       CASE WHEN offset_us IS NULL THEN logged_us - least(before_us, after_us) END AS other_us
FROM told
"""  # noqa: S608 - our own literals

# What stays in doubt is as wide as both readings, so no bound made of it leaves one out.
SET_READINGS: Final = """
UPDATE stretches SET logged_us = read_twice.first_us, other_us = read_twice.other_us,
    resolution_us = resolution_us + coalesce(read_twice.other_us - read_twice.first_us, 0)
FROM read_twice WHERE stretches.record_id = read_twice.record_id
"""

UNDECIDED: Final = """
SELECT number, count(*), arg_min(line_no, record_id), arg_min(first_us, record_id), arg_min(other_us, record_id)
FROM read_twice WHERE other_us IS NOT NULL GROUP BY number ORDER BY number
"""
