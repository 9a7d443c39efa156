"""One Parquet component of one segment: the rows of a frame, without holding the file in memory.

The key columns say which rows belong to which frame. The others are decoded a few rows at a time,
onwards from the last ones, as a row group may unpack to a gigabyte. Reading frames in order costs
one pass; going back costs the way from the start of the row group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pyarrow import ArrowException
from pyarrow.parquet import ParquetFile

from inference.scene import BadScene

TIMESTAMP = "key.frame_timestamp_micros"
MAX_ROWS = 2_000_000
MAX_COLUMN_BYTES = 4 * 2**30

# Arrow's own types are unknown to mypy; a row maps a column to a Python value or an array.
Row = Mapping[str, Any]


class Component:
    """An opened file. Raises BadScene when it is no Parquet file.

    batch_rows: how many rows are decoded at once.
    """

    def __init__(self, path: Path, *, batch_rows: int) -> None:
        self.file = f"{path.parent.name}/{path.name}"
        self._batch_rows = batch_rows
        with self.guarded():
            if path.stat().st_size == 0:
                raise BadScene(f"{self.file}: is empty (0 bytes)", file=self.file)
            # Through a buffer: otherwise a row group's packed columns are all in memory at once.
            self._parquet = ParquetFile(path, buffer_size=2**20, pre_buffer=False)
            self._check_size()
        self.columns = frozenset(self._parquet.schema_arrow.names)
        self._values = [
            name for name in self._parquet.schema_arrow.names if name.startswith(("[", "key."))
        ]
        self._cursor = _Cursor(self._parquet, self._values, batch_rows)
        self._rows_of: dict[int, list[int]] | None = None

    def guarded(self) -> _Guard:
        return _Guard(self.file)

    def keys(self, *names: str) -> list[Row]:
        """The named columns of all rows; only for small ones."""
        self.check(*names)
        with self.guarded():
            return list(self._parquet.read(columns=list(names)).to_pylist())

    def check(self, *names: str) -> None:
        for name in names:
            if name not in self.columns:
                raise BadScene(f"{self.file}: has no column {name!r}", file=self.file)

    def at(self, timestamp_us: int) -> list[Row]:
        """The rows of one frame; lists of numbers come as arrays. Raises BadScene."""
        if self._rows_of is None:
            self._rows_of = {}
            for number, row in enumerate(self.keys(TIMESTAMP)):
                self._rows_of.setdefault(row[TIMESTAMP], []).append(number)
        with self.guarded():
            return [self._cursor.row(number) for number in self._rows_of.get(timestamp_us, ())]

    def all(self) -> list[Row]:
        """Every row of a small component. Raises BadScene."""
        with self.guarded():
            return [self._cursor.row(number) for number in range(self._parquet.metadata.num_rows)]

    def _check_size(self) -> None:
        metadata = self._parquet.metadata
        if metadata.num_rows > MAX_ROWS:
            raise BadScene(f"{self.file}: has {metadata.num_rows} rows", file=self.file)
        for group in range(metadata.num_row_groups):
            if metadata.row_group(group).total_byte_size > MAX_COLUMN_BYTES:
                raise BadScene(
                    f"{self.file}: row group {group} unpacks to more than {MAX_COLUMN_BYTES} bytes",
                    file=self.file,
                )


class _Guard:
    """Whatever a broken file leads Arrow to is a BadScene."""

    def __init__(self, file: str) -> None:
        self._file = file

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, BadScene):
            return
        if isinstance(
            error, ArrowException | OSError | ValueError | KeyError | TypeError | MemoryError
        ):
            raise BadScene(
                f"{self._file}: cannot be read as Parquet: {error}", file=self._file
            ) from error


class _Cursor:
    """Goes through the batches of a file, forwards where it can."""

    def __init__(self, parquet: Any, columns: Sequence[str], batch_rows: int) -> None:
        self._parquet, self._columns, self._batch_rows = parquet, columns, batch_rows
        counts = [
            parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)
        ]
        self._ends = np.cumsum(counts, dtype=np.int64)
        self._group = -1
        self._start = self._end = 0
        self._batch: Any = None
        self._batches: Iterator[Any] = iter(())

    def row(self, number: int) -> Row:
        if self._batch is None or not self._start <= number < self._end:
            self._go_to(number)
        offset = number - self._start
        return {name: _value(self._batch.column(name)[offset]) for name in self._columns}

    def _go_to(self, number: int) -> None:
        group = int(np.searchsorted(self._ends, number, side="right"))
        if group != self._group or number < self._start:
            self._group = group
            self._end = int(self._ends[group - 1]) if group else 0
            self._batches = self._parquet.iter_batches(
                batch_size=self._batch_rows, row_groups=[group], columns=self._columns
            )
        while number >= self._end:
            self._batch = None  # before the next one is made: two would need twice the memory
            self._batch = next(self._batches, None)
            if self._batch is None:
                raise ValueError(f"row {number} is missing")
            self._start, self._end = self._end, self._end + self._batch.num_rows


def _value(scalar: Any) -> Any:
    """Python's value of an Arrow scalar; of a list an array that shares its memory."""
    values = getattr(scalar, "values", None)
    if values is None or not scalar.is_valid:
        return scalar.as_py()
    return values.to_numpy(zero_copy_only=False)


def numbers(value: Any) -> npt.NDArray[np.float64]:
    """A list of numbers, of either width, as [N] float64; null is none."""
    if value is None:
        return np.zeros(0)
    return np.asarray(value, dtype=np.float64)
