"""Progress of long work: a live line on a terminal, now and then a plain line elsewhere, nothing with --quiet.

Counting is two additions a call; a thread reads the counts, so that a slow or stuck row shows too.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from pipeline.console import log_detail, printing_with, say, verbosity

if TYPE_CHECKING:
    from rich.console import RenderableType

_FIRST_LINE_S = 1.0
_LINE_EVERY_S = 10.0
_WORTH_A_LINE_S = 1.0  # what took less is told in sum, by the step
_LIVE_PER_S = 4
_WINDOW_S = 30.0  # rates are of this last stretch: what came from the memo at once must not promise anything


class _Sample(NamedTuple):
    time: float
    rows: int
    tokens: int


class Progress:
    """`with Progress("step1 gsm8k", total=1319) as progress: … progress.advance(tokens=64)`.

    `total` is None where it is not known. `live` is whether to draw on a terminal; by default, if stderr is one.
    """

    def __init__(
        self,
        label: str,
        total: int | None,
        unit: str = "rows",
        *,
        live: bool | None = None,
        line_every_s: float = _LINE_EVERY_S,
    ) -> None:
        self.label = label
        self.total = total
        self.unit = unit
        self.rows = 0
        self.tokens = 0
        self._live = _on_terminal() if live is None else live
        self._line_every_s = line_every_s
        self._samples: deque[_Sample] = deque()
        self._began = 0.0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._samples.append(_Sample(self._began, 0, 0))
        if verbosity() == "quiet":
            return self
        if self._live:
            self._show_live()
        else:
            self._stack.callback(_every(self._line_every_s, self._print_line))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        note = say if kind is not None or time.monotonic() - self._began >= _WORTH_A_LINE_S else log_detail
        note(self._last_line(stopped=kind is not None))

    def advance(self, rows: int = 1, tokens: int = 0) -> None:
        """Count finished rows, and the tokens that they took."""
        self.rows += rows
        self.tokens += tokens

    def note(self, text: str) -> None:
        """A message above the live line, or on a line of its own."""
        say(text)

    def _show_live(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)
        live = Live(
            get_renderable=self._render,
            console=console,
            refresh_per_second=_LIVE_PER_S,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._stack.enter_context(live)
        self._stack.enter_context(
            printing_with(lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True))
        )

    def _render(self) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        figures = self._figures()
        line = Table.grid(padding=(0, 1))
        line.add_column(no_wrap=True, overflow="ellipsis")
        line.add_column()
        line.add_column(no_wrap=True, overflow="ellipsis", min_width=len(figures))
        bar = ProgressBar(total=self.total, completed=self.rows, width=16, pulse=self.total is None)
        line.add_row(self.label, bar, figures)
        return line

    def _print_line(self) -> None:
        say(f"{self.label}: {self._figures()}")

    def _figures(self) -> str:
        """Done and total, rates of the last stretch, time left."""
        rows_s, tokens_s = self._rates()
        parts = [self._done(), f"{_rate(rows_s)} {self.unit}/s"]
        if self.tokens:
            parts.append(f"{_rate(tokens_s)} tokens/s")
        if self.total is not None and rows_s > 0 and self.rows < self.total:
            parts.append(f"{duration((self.total - self.rows) / rows_s)} left")
        return ", ".join(parts)

    def _rates(self) -> tuple[float, float]:
        now = _Sample(time.monotonic(), self.rows, self.tokens)
        self._samples.append(now)
        while len(self._samples) > 2 and now.time - self._samples[1].time > _WINDOW_S:
            self._samples.popleft()
        first = self._samples[0]
        seconds = max(now.time - first.time, 1e-9)
        return (now.rows - first.rows) / seconds, (now.tokens - first.tokens) / seconds

    def _done(self) -> str:
        if self.total is None:
            return f"{self.rows:,} {self.unit}"
        share = f" ({100 * self.rows / self.total:.0f}%)" if self.total else ""
        return f"{self.rows:,}/{self.total:,} {self.unit}{share}"

    def _last_line(self, stopped: bool) -> str:
        seconds = time.monotonic() - self._began
        done = self._done() if stopped else f"{self.rows:,} {self.unit}"
        speed = [f"{_rate(self.rows / seconds)} {self.unit}/s"] if seconds >= 1 and self.rows else []
        if speed and self.tokens:
            speed.append(f"{_rate(self.tokens / seconds)} tokens/s")
        pace = f" ({', '.join(speed)})" if speed else ""
        return f"{self.label}: {'stopped at ' if stopped else ''}{done} in {duration(seconds)}{pace}"


def _every(seconds: float, act: Callable[[], None]) -> Callable[[], None]:
    """Have a thread do `act` soon and then every so often; call what is returned to end it."""
    ended = threading.Event()

    def work() -> None:
        wait = min(_FIRST_LINE_S, seconds)
        while not ended.wait(wait):
            act()
            wait = seconds

    thread = threading.Thread(target=work, name="progress", daemon=True)
    thread.start()

    def end() -> None:
        ended.set()
        thread.join()

    return end


def _on_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """Seconds as people say them: 0.4 s, 12 s, 3 min 20 s, 2 h 05 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
