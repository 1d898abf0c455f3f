"""Documents out of data files: JSON, JSON lines, CSV, TSV, Parquet, Arrow; one dict a document, in file order.

Cells of CSV and TSV are the text that they are; their types are `typed_records.py`. Finding files is `data_files.py`.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from pipeline.errors import DataError, MissingPackageError
from tasks.data_files import SUFFIXES, DataFile

_BOM = b"\xef\xbb\xbf"
_SHOWN = 60


@dataclass(frozen=True)
class ReadOptions:
    """How a file is to be read where it does not say so itself."""

    column_names: tuple[str, ...] | None = None  # for CSV and TSV without a header row
    delimiter: str | None = None  # by default a comma, in TSV a tab
    field: str | None = None  # for JSON that is one object: the key that holds the list of documents
    typed: bool = False  # whether values have the types of their columns, as for lm_eval's tasks


@dataclass(frozen=True)
class Record:
    """A document as read, and its place in the file: a line, or for JSON lists and Parquet a record number."""

    data: dict[str, Any]
    where: str


def read_records(file: DataFile, options: ReadOptions | None = None) -> Iterator[Record]:
    """The documents of `file`. Raises DataError, with the line, for what is not a document."""
    reader = _READERS.get(file.suffix)
    if reader is None:
        raise DataError("the file has no known form", where=file.shown, fix=f"Known are {', '.join(SUFFIXES)}.")
    with file.open() as stream:
        yield from reader(stream, file.shown, options or ReadOptions())


def _json_lines(stream: IO[bytes], source: str, options: ReadOptions) -> Iterator[Record]:
    for number, raw in enumerate(stream, 1):
        line = raw.removeprefix(_BOM) if number == 1 else raw
        if not line.strip():
            continue
        where = f"{source}:{number}"
        try:
            data = json.loads(line.rstrip())  # so that the column of a fault is one of this line
        except json.JSONDecodeError as error:
            raise _broken_json(error, where, number == 1 and line.lstrip()[:1] == b"[") from error
        except UnicodeDecodeError as error:
            raise _not_utf8(error, where) from error
        except (ValueError, RecursionError) as error:
            raise _beyond_python(error, where) from error
        yield Record(_as_document(data, where), where)


def _json_list(stream: IO[bytes], source: str, options: ReadOptions) -> Iterator[Record]:
    content = stream.read().removeprefix(_BOM)
    try:
        items = json.loads(content)
    except UnicodeDecodeError as error:
        raise _not_utf8(error, f"{source}:{content[: error.start].count(10) + 1}") from error
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and content.lstrip()[:1] == b"{":  # JSON lines under the name .json
            yield from _json_lines(io.BytesIO(content), source, options)
            return
        raise _broken_json(error, f"{source}:{error.lineno}", False) from error
    except (ValueError, RecursionError) as error:
        raise _beyond_python(error, source) from error
    if options.field is not None:
        items = _below(items, options.field, source)
    elif isinstance(items, dict) and content.count(b"\n") <= 1:
        items = [items]  # JSON lines of one line
    if not isinstance(items, list):
        raise _no_list(items, source, options.field)
    for number, data in enumerate(items, 1):
        where = f"{source}, record {number}"
        yield Record(_as_document(data, where), where)


def _below(content: Any, field: str, source: str) -> Any:
    if isinstance(content, dict) and field in content:
        return content[field]
    there = f"Its keys are {', '.join(map(str, content))}." if isinstance(content, dict) else ""
    raise DataError(f"the file has no key {field!r}, which `field` names", where=source, fix=there)


def _no_list(content: Any, source: str, field: str | None) -> DataError:
    what = f"the key {field!r} holds" if field is not None else "the file holds"
    fix = "Save the documents as a list, [{…}, {…}], or one a line as .jsonl."
    lists = [name for name, value in content.items() if isinstance(value, list)] if isinstance(content, dict) else []
    if field is None and lists:
        fix = f"If the documents are the list under {lists[0]!r}, say so: field: {lists[0]}"
    return DataError(f"{what} one {_kind(content)}, and a list of documents is wanted", where=source, fix=fix)


def _as_document(data: Any, where: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise DataError(f"a document must be an object, {{…}}, and this is a {_kind(data)}", where=where)
    return data


def _kind(value: Any) -> str:
    names = {dict: "object", list: "list", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def _broken_json(error: json.JSONDecodeError, where: str, list_in_lines: bool) -> DataError:
    near = error.doc[max(0, error.pos - _SHOWN // 2) : error.pos + _SHOWN // 2].strip()
    fix = "The file begins like a JSON list: name it .json." if list_in_lines else f"It stands near: {near}"
    return DataError(f"this is not JSON: {error.msg.removesuffix(' at')} at column {error.colno}", where=where, fix=fix)


def _beyond_python(error: Exception, where: str) -> DataError:
    """For a number of thousands of digits, or lists within lists without end."""
    return DataError(f"Python cannot read this JSON: {error}", where=where)


def _not_utf8(error: UnicodeDecodeError, where: str) -> DataError:
    byte = error.object[error.start]
    return DataError(f"byte 0x{byte:02x} is not UTF-8", where=where, fix="Save the file as UTF-8.")


def _comma_table(stream: IO[bytes], source: str, options: ReadOptions) -> Iterator[Record]:
    return _table(stream, source, options, ",", csv.QUOTE_MINIMAL)


def _tab_table(stream: IO[bytes], source: str, options: ReadOptions) -> Iterator[Record]:
    return _table(stream, source, options, "\t", csv.QUOTE_MINIMAL)


def _table(stream: IO[bytes], source: str, options: ReadOptions, delimiter: str, quoting: Any) -> Iterator[Record]:
    csv.field_size_limit(sys.maxsize)  # the default of 128 KiB is shorter than some documents
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    rows = csv.reader(text, delimiter=options.delimiter or delimiter, quoting=quoting, strict=True)
    columns: Sequence[str] | None = options.column_names
    try:
        for row in rows:
            if not row:
                continue
            where = f"{source}:{rows.line_num}"
            if columns is None:
                columns = _header(row, where, options)
                continue
            if len(row) != len(columns):
                raise _ragged(row, columns, where, options)
            yield Record(dict(zip(columns, row, strict=True)), where)
    except csv.Error as error:
        raise DataError(f"this is not a table row: {error}", where=f"{source}:{rows.line_num}") from error
    except UnicodeDecodeError as error:
        raise _not_utf8(error, f"{source}, after line {rows.line_num}") from error


def _header(row: Sequence[str], where: str, options: ReadOptions) -> Sequence[str]:
    if options.typed:  # as pandas calls the column of its own row numbers, which it saves without a name
        row = [name or f"Unnamed: {number}" for number, name in enumerate(row)]
    twice = sorted({name for name in row if row.count(name) > 1})
    if twice:
        fix = "If the file has no header row, give dataset_kwargs: {column_names: [...]} in the task's file."
        raise DataError(f"the header row has {', '.join(map(repr, twice))} twice", where=where, fix=fix)
    return row


def _ragged(row: Sequence[str], columns: Sequence[str], where: str, options: ReadOptions) -> DataError:
    origin = "column_names gives" if options.column_names else "the header row has"
    fix = f"The columns are {', '.join(columns)}. A cell that holds the delimiter must stand in quotes."
    return DataError(f"the row has {len(row)} cells, and {origin} {len(columns)}", where=where, fix=fix)


def _parquet(stream: IO[bytes], source: str, options: ReadOptions) -> Iterator[Record]:
    arrow = _pyarrow(source)
    import pyarrow.parquet as parquet

    try:
        table = parquet.ParquetFile(_seekable(stream))
        rows = (row for batch in table.iter_batches() for row in batch.to_pylist())
        yield from _numbered(rows, source)
    except arrow.ArrowException as error:
        raise DataError(f"this is not a Parquet file: {error}", where=source) from error


def _arrow(stream: IO[bytes], source: str, options: ReadOptions) -> Iterator[Record]:
    arrow = _pyarrow(source)
    seekable = _seekable(stream)
    try:
        try:
            file = arrow.ipc.open_file(seekable)
            batches = (file.get_batch(number) for number in range(file.num_record_batches))
        except arrow.ArrowInvalid:  # the streaming form, in which `datasets` keeps its own files
            seekable.seek(0)
            batches = iter(arrow.ipc.open_stream(seekable))
        yield from _numbered((row for batch in batches for row in batch.to_pylist()), source)
    except arrow.ArrowException as error:
        raise DataError(f"this is not an Arrow file: {error}", where=source) from error


def _pyarrow(source: str) -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError as error:
        raise MissingPackageError("pyarrow", f"reading {source}") from error
    return pyarrow


def _seekable(stream: IO[bytes]) -> IO[bytes]:
    return stream if stream.seekable() else io.BytesIO(stream.read())


def _numbered(rows: Iterator[dict[str, Any]], source: str) -> Iterator[Record]:
    for number, data in enumerate(rows, 1):
        yield Record(data, f"{source}, record {number}")


_READERS: dict[str, Callable[[IO[bytes], str, ReadOptions], Iterator[Record]]] = {
    ".jsonl": _json_lines,
    ".json": _json_list,
    ".csv": _comma_table,
    ".tsv": _tab_table,
    ".parquet": _parquet,
    ".arrow": _arrow,
}
