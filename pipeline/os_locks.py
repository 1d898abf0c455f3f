"""Operating-system locks between processes: one unit of work to one process, one configuration to one folder.

The kernel frees a lock when its process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import BusyRunError
from pipeline.views import raise_storage_error


class OsLock:
    """An exclusive lock (flock) on a file that is made for it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, wait: bool) -> bool:
        """Take the lock; without `wait`, False where another process holds it."""
        descriptor = _open(self.path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on `path`, waiting for it; for short sections such as the update of a shared file."""
    lock = OsLock(path)
    lock.acquire(wait=True)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def one_configuration(path: Path, configuration: str, describe: str) -> Iterator[None]:
    """Hold a share of `path` with all processes that work under the same `configuration` (a hash).

    Raises BusyRunError, with what the others wrote of themselves, while any works under another one. `describe` is
    one line about this process for them to read.
    """
    descriptor = _open(path)
    try:
        with locked(path.with_name(path.name + ".guard")):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _introduce(descriptor, path, f"{configuration}\n{describe}\n")
            except BlockingIOError:
                theirs, _, about = os.pread(descriptor, 4096, 0).decode().partition("\n")
                if theirs != configuration:
                    raise BusyRunError(
                        f"another process works on this folder with another configuration ({about.strip()})",
                        where=str(path.parent.parent),
                        fix="Wait until it ends, run with its configuration to share the work, "
                        "or choose another output_dir",
                    ) from None
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _introduce(descriptor: int, path: Path, text: str) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)
    except OSError as error:
        raise_storage_error(error, path)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise_storage_error(error, path)
