"""Documents of text files as lm_eval's tasks see them: with the types and columns that the file has as a whole.

A file is read once for its types, which are kept while it does not change, and then again for its documents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import chain
from typing import Any

from tasks.data_files import DataFile
from tasks.data_readers import ReadOptions, Record, read_records
from tasks.json_values import Conversion, fields_of
from tasks.table_cells import Cell, cells_of

Fit = Callable[[dict[str, Any]], None]  # changes a document as it was read


def typed_records(file: DataFile, options: ReadOptions) -> Iterator[Record]:
    """The documents of `file`. Raises DataError as `read_records`, before the first document."""
    if file.suffix in (".parquet", ".arrow"):  # which have their types
        yield from read_records(file, options)
        return
    with file.open():  # for the error where it is not there
        state = file.path.stat()
    fit = _fit(file, options, state.st_mtime_ns, state.st_size)
    for record in read_records(file, options):
        if fit is not None:
            fit(record.data)
        yield record


@lru_cache(maxsize=256)
def _fit(file: DataFile, options: ReadOptions, _mtime: int, _size: int) -> Fit | None:
    """What each document goes through; None where all stay as they are."""
    documents = (record.data for record in read_records(file, options))
    if file.suffix in (".csv", ".tsv"):
        first = next(documents, None)
        if first is None:
            return None
        cells = cells_of(list(first), (tuple(row.values()) for row in chain([first], documents)))
        return partial(_fit_cells, cells) if cells else None
    fields = fields_of(documents)
    changes = {name: convert for name, convert in fields.items() if convert is not None}
    return partial(_fit_fields, dict.fromkeys(fields), changes)


def _fit_cells(cells: dict[str, Cell], data: dict[str, Any]) -> None:
    for name, cell in cells.items():
        data[name] = cell(data[name])


def _fit_fields(columns: dict[str, None], changes: dict[str, Conversion], data: dict[str, Any]) -> None:
    if len(data) != len(columns):
        for name in columns:
            data.setdefault(name, None)
    for name, convert in changes.items():
        if data[name] is not None:
            data[name] = convert(data[name])
