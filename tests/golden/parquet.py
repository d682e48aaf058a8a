"""One table as Parquet files and as text for `tests/parquet.rs`: `parquet/*.parquet` and `parquet/table.csv`. Needs pyarrow.

    python tests/golden/parquet.py
"""

import datetime
import decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

folder = Path(__file__).parent / "parquet"
folder.mkdir(exist_ok=True)

ROWS = 12
days = [datetime.date(1969, 12, 30) + datetime.timedelta(days=n * n * 97) for n in range(ROWS)]
moments = [datetime.datetime(2024, 2, 29, 23, 59) + datetime.timedelta(seconds=n * 3601, microseconds=n * 250) for n in range(ROWS)]
times = [datetime.time(n, 2 * n, 59 - n) for n in range(ROWS)]
kinds = [["rose", "tulip", None, "violet, blue"][n % 4] for n in range(ROWS)]


def some(values):
    """Every fifth value is missing."""
    return [None if n % 5 == 3 else value for n, value in enumerate(values)]


columns = {
    "small": pa.array(some([n - 6 for n in range(ROWS)]), pa.int8()),
    "whole": pa.array([n * 123_456_789 - 7 for n in range(ROWS)], pa.int64()),
    "unsigned": pa.array([4_294_967_295 - n for n in range(ROWS)], pa.uint32()),
    "half": pa.array([n / 8 for n in range(ROWS)], pa.float16()),
    "single": pa.array(some([n / 7 for n in range(ROWS)]), pa.float32()),
    "double": pa.array(some([n / 3 for n in range(ROWS)]), pa.float64()),
    "price": pa.array(some([decimal.Decimal(n * 1234 - 5000).scaleb(-2) for n in range(ROWS)]), pa.decimal128(9, 2)),
    "flag": pa.array(some([n % 3 == 0 for n in range(ROWS)]), pa.bool_()),
    "kind": pa.array(kinds, pa.string()),
    "color": pa.array(["red", "green", "blue"] * 4, pa.dictionary(pa.int8(), pa.string())),
    "day": pa.array(some(days), pa.date32()),
    "moment": pa.array(moments, pa.timestamp("us", "UTC")),
    "nano": pa.array(moments, pa.timestamp("ns")),
    "time": pa.array(times, pa.time64("us")),
    "nothing": pa.nulls(ROWS, pa.float64()),
}
table = pa.table(columns)


def write(name, table, **options):
    pq.write_table(table, folder / f"{name}.parquet", row_group_size=5, store_schema=False, **options)


write("snappy", table, compression="snappy")
write("gzip", table, compression="gzip", data_page_version="2.0")
write("brotli", table, compression="brotli", use_dictionary=False)
write("lz4", table, compression="lz4", version="1.0", use_deprecated_int96_timestamps=True)
write("plain", table, compression="none", use_dictionary=False, column_encoding={"whole": "DELTA_BINARY_PACKED", "kind": "DELTA_BYTE_ARRAY"})
write("zstd", table.select(["whole"]), compression="zstd")
write("odd", pa.table({
    "x": pa.array([1.0, 2.0]),
    "list": pa.array([[1], [2, 3]]),
    "both": pa.array([{"a": 1, "b": 2}, {"a": 3, "b": 4}]),
    "bytes": pa.array([b"\xff", b"a"]),
    "uuid": pa.array([b"0123456789abcdef"] * 2, pa.uuid()),
    "text": pa.array(["1", "2.5"]),
}))


def told(value):
    """As text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S") + (f".{value.microsecond:06}" if value.microsecond else "")
    return f'"{value}"' if "," in str(value) else str(value)


lines = [",".join(table.column_names)]
for row in table.to_pylist():
    row["nano"] = row["moment"]
    lines.append(",".join(told(value) for value in row.values()))
(folder / "table.csv").write_text("\n".join(lines) + "\n")
