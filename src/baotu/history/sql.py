"""The words in which history speaks to DuckDB: tables, Parquet encodings, rollups.

Numbers rest as `mantissa / 10^exponent` wherever that is exact to the bit, because whole numbers
take DELTA_BINARY_PACKED (about one byte for a measured value, doubles two to four).
"""

from __future__ import annotations

SECOND = 10**9
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
GOOD = "(quality < 64 and not isnan(value))"  # isnan(NULL) is NULL: not good either

TABLES = """
create table if not exists link(log varchar, first bigint, last bigint);
create table if not exists hot(id bigint, kind varchar);
alter table hot add column if not exists origin bigint;
create table if not exists segment(
  path varchar, kind varchar, period bigint, run varchar, level int, made bigint,
  low bigint, high bigint, tag_low int, tag_high int, rows bigint, bytes bigint);
create table if not exists latest(tag int, time bigint, number double, text varchar,
  quality utinyint);
create table if not exists horizon(kind varchar, before bigint);
create table if not exists unordered(id bigint, kind varchar, rows bigint);
create table if not exists late(hot bigint, first bigint, last bigint);
create table if not exists amended(tag int, time bigint, value double, quality utinyint);
"""
COLUMNS = {
    "number": "tag int, time bigint, value double, quality utinyint",
    "text": "tag int, time bigint, value varchar, quality utinyint",
}
_PARQUET = "format parquet, compression zstd, parquet_version v2, row_group_size 122880"
PARQUET = f"({_PARQUET}, dictionary_size_limit 1)"  # a dictionary would keep delta packing away
PARQUET_TEXT = f"({_PARQUET})"
PARQUET_ROLLUP = PARQUET.replace("122880", "20480")  # rows of 25 columns: a group is held in memory

PERIOD = {"number": DAY, "text": DAY, "minute": DAY, "hour": 32 * DAY}
"""One file, and one unit of merging and of retention, covers at most this much time."""


def floor(time: str, width: int, origin: int = 0) -> str:
    """`time` rounded down to a multiple of `width` after `origin`; right before 1970 too."""
    past = f"({time} - ({origin}))"
    return f"({time} - (({past} % {width}) + {width}) % {width})"


POWER = "(case exponent when 0 then 1e0 when 1 then 1e1 when 2 then 1e2 else 1e3 end)"


def packed(column: str, power: str = POWER) -> tuple[str, str]:
    """(mantissa, value): exactly one of them is not NULL where `column` is not NULL."""
    whole = f"try_cast(round({column} * {power}) as bigint)"
    exact = f"coalesce({whole} / {power} = {column}, false)"
    return f"if({exact}, {whole}, null)", f"if({exact}, null, {column})"


def unpacked(column: str, mantissa: str) -> str:
    return f"coalesce({column}, {mantissa} / {POWER})"


def squeeze(path: str, low: int, high: int, rows: int) -> str:
    """SELECT of the packed form of the tags low … high of a file of numbers, in order. The exponent
    is guessed from a few rows of each tag; exactness is tested row by row: a wrong guess costs
    bytes, never bits."""
    step = max(1, rows // 400_000) * 10_000
    table = f"read_parquet({quoted(path)}, file_row_number = true)"
    return f"""
with scale as (
  select tag, max(case when value = round(value) then 0
                       when round(value * 10) / 10 = value then 1
                       when round(value * 100) / 100 = value then 2 else 3 end)::utinyint as exponent
  from {table} where file_row_number % {step} < 10000 and isfinite(value)
    and tag between {low} and {high} group by tag)
select tag, time, if(exact, whole, null) as mantissa, exponent, if(exact, null, value) as value,
  quality
from (select *, coalesce(whole / power = value, false) as exact
      from (select *, try_cast(round(value * power) as bigint) as whole
            from (select *, {POWER} as power
                  from (select h.tag, h.time, h.value, h.quality,
                          coalesce(scale.exponent, 0::utinyint) as exponent
                        from {table} h left join scale using (tag)
                        where h.tag between {low} and {high}))))
order by tag, time"""


def plain(table: str, low: int, high: int) -> str:
    where = f"tag between {low} and {high}"
    return f"select tag, time, value, quality from {table} where {where} order by tag, time"


NUMBER = unpacked("value", "mantissa")
VALUE = {"number": NUMBER, "text": "value"}

# Rollups. Rows of the same tag and start may stand in several files and are combined when read: so
# late samples only add rows, merging of raw files concerns no rollup, and nothing is ever rebuilt.
ROLLED = (
    "tag", "start", "count", "low", "low_at", "high", "high_at", "total", "first", "first_at",
    "last", "last_at", "bad", "bad_at", "bad_value", "bad_quality",
    "bad_end_at", "bad_end_value", "bad_end_quality",
)  # fmt: skip
_VALUES = ("low", "high", "total", "first", "last")
_STAMPS = ("low_at", "high_at", "first_at", "last_at", "bad_at", "bad_end_at")
_BAD = ["bad", "bad_value", "bad_quality", "bad_end_value", "bad_end_quality"]


def roll(source: str, width: int, extra: str = "", origin: int = 0) -> str:
    """Raw rows → one row for each tag and bucket; `extra` columns are grouped with `max`."""
    more = f", max({extra}) as {extra}" if extra else ""
    # columns that are NULL where they do not count: half the cost of FILTER on each aggregate
    masked = f"""(select *, if(good, value, null) as v, if(good, time, null) as g,
    if(good, null, time) as b
  from (select *, coalesce({GOOD}, false) as good from {source}))"""
    return f"""
select tag, {floor("time", width, origin)} as start, count(v) as count,
  min(v) as low, arg_min(time, v) as low_at, max(v) as high, arg_max(time, v) as high_at,
  sum(v) as total, arg_min(v, g) as first, min(g) as first_at,
  arg_max(v, g) as last, max(g) as last_at, count(b) as bad, min(b) as bad_at,
  arg_min_null(value, b) as bad_value, arg_min(quality, b) as bad_quality, max(b) as bad_end_at,
  arg_max_null(value, b) as bad_end_value, arg_max(quality, b) as bad_end_quality{more}
from {masked} group by 1, 2"""


def combine(source: str, start: str, extra: str = "") -> str:
    """Rollup rows → fewer rollup rows, `start` being the expression of the new bucket."""
    more = f", max({extra}) as {extra}" if extra else ""
    return f"""
select tag, {start} as start, sum(count)::bigint as count,
  min(low) as low, arg_min(low_at, low) as low_at,
  max(high) as high, arg_max(high_at, high) as high_at, sum(total) as total,
  arg_min(first, first_at) as first, min(first_at) as first_at,
  arg_max(last, last_at) as last, max(last_at) as last_at,
  sum(bad)::bigint as bad, min(bad_at) as bad_at, arg_min_null(bad_value, bad_at) as bad_value,
  arg_min(bad_quality, bad_at) as bad_quality, max(bad_end_at) as bad_end_at,
  arg_max_null(bad_end_value, bad_end_at) as bad_end_value,
  arg_max(bad_end_quality, bad_end_at) as bad_end_quality{more}
from {source} group by 1, 2"""


def pack_rollup(source: str) -> str:
    """The form in which rollups rest: mantissas, and stamps in the coarsest unit that is exact."""
    whole = " and ".join(f"coalesce({s} % {{unit}} = 0, true)" for s in _STAMPS)
    unit = (
        f"case when {whole.format(unit=10**9)} then 1000000000 "
        f"when {whole.format(unit=10**6)} then 1000000 else 1 end"
    )
    parts = ["tag", "start", "count", "exponent", "unit"]
    for column in _VALUES:
        mantissa, value = packed(column)
        parts += [f"{mantissa} as m_{column}", f"{value} as {column}"]
    parts += [f"({s} - start) // unit as {s}" for s in _STAMPS]
    parts += _BAD
    return (
        f"select {', '.join(parts)} from (select *, {unit} as unit from ({source})) "
        "order by tag, start"
    )


def unpack_rollup(source: str) -> str:
    parts = ["tag", "start", "count", "exponent"]
    parts += [f"{unpacked(c, f'm_{c}')} as {c}" for c in _VALUES]
    parts += [f"start + {s} * unit as {s}" for s in _STAMPS]
    parts += _BAD
    return f"select {', '.join(parts)} from {source}"


def files(paths: list[str]) -> str:
    return f"read_parquet([{', '.join(quoted(p) for p in paths)}])"


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
