"""Step 4 in lm-evaluation-harness's layout: the samples of one model on one task, from the views of steps 1 and 3."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

import msgspec

from pipeline.requests import Prompt
from pipeline.rows import RequestRecord, Status, restore
from pipeline.views import decode_line, read_lines
from reports.lm_eval_layout import Sample
from steps.context import Context
from tasks.harness_configuration import written_target
from tasks.task import Task

_FROM_TEXTS = frozenset({"bleu", "chrf", "ter"})  # of whose rows the harness logs target and response
_Row = TypeVar("_Row", bound=msgspec.Struct)


class _Generated(msgspec.Struct):
    """What is read of a row of step 1."""

    doc_id: str
    index: int
    status: Status
    document: msgspec.Raw
    prompt: Prompt
    target: msgspec.Raw
    requests: list[RequestRecord]
    generation: dict[str, Any] | None = None


class _Scored(msgspec.Struct):
    """What is read of a row of step 3."""

    doc_id: str
    status: Status
    filter: str
    response: Any
    values: dict[str, Any]


class _Filter(msgspec.Struct):
    """The pipeline of a row of step 3, which is all that the first reading wants."""

    filter: str


@dataclass(frozen=True)
class Samples:
    """One model's samples of one task. `generation` are the settings that its file and the run give for generating,
    `text` a prompt as it is sent; `predicted`: no metric was computed."""

    context: Context
    model: str
    task: Task
    generation: Mapping[str, Any]
    text: Callable[[Prompt], str]
    predicted: bool

    def filters(self) -> list[str]:
        """The names of the filter pipelines, in the order of the view."""
        return list(dict.fromkeys(row.filter for row in self._rows("step3", _Filter)))

    def documents(self) -> int:
        """How many documents have an answer."""
        return sum(row.status == "ok" for row in self._rows("step1", _Generated))

    def read(self) -> Iterator[Sample]:
        """Every document under the first filter, then under the next; those that failed are in no sample."""
        for name in self.filters():
            scored = groupby(self._rows("step3", _Scored), key=lambda row: row.doc_id)
            current = next(scored, None)
            for generated in self._rows("step1", _Generated):
                if current is None or current[0] != generated.doc_id:
                    continue  # an expansion of nothing has no row
                rows = [row for row in current[1] if row.filter == name and row.status == "ok"]
                current = next(scored, None)
                if rows:
                    yield from self._samples(generated, rows)

    def _samples(self, generated: _Generated, rows: Sequence[_Scored]) -> Iterator[Sample]:
        document = restore(msgspec.json.decode(generated.document))
        target = written_target(self.task, document, restore(msgspec.json.decode(generated.target)))
        turns = [turn for turn in _turns(generated.requests) if not self._left_out(turn[0], generated)]
        asked = [one for turn in turns for one in self._requests(turn, generated)]
        for row in rows:
            response = restore(row.response)
            yield Sample(
                index=generated.index,
                document=document,
                target=target,
                arguments=[arguments for arguments, _ in asked],
                responses=[responses for _, responses in asked],
                filtered=self._filtered(response, generated.requests[0])[: len(asked)],
                filter=row.filter,
                values=self._values(row, target, response),
            )

    def _left_out(self, request: RequestRecord, generated: _Generated) -> bool:
        """Choices without their context, for acc_mutual_info: a run of predictions alone does not ask them there."""
        return self.predicted and request.prompt == "" and generated.prompt != ""

    def _requests(
        self, repetitions: Sequence[RequestRecord], generated: _Generated
    ) -> Iterator[tuple[tuple[Any, ...], Any]]:
        """(arguments, responses) of each of the harness's requests that one of this project's stands for."""
        first = repetitions[0]
        text = self.text(generated.prompt if first.prompt is None else first.prompt)
        if first.type == "generate_until":
            yield (text, self._settings(first, generated)), [record.text for record in repetitions]
        elif first.type == "loglikelihood_rolling":
            yield (text,), [restore(logprob) for record in repetitions for logprob in record.logprobs or ()]
        else:
            for number, continuation in enumerate(first.continuations or ()):
                yield (text, continuation), [_scores(record)[number] for record in repetitions]

    def _filtered(self, response: Any, request: RequestRecord) -> list[Any]:
        """A filtered response as the harness lists it: one entry a request, scores without their token counts."""
        if self.task.scorer is not None:
            return list(response)
        if request.type == "generate_until" or not isinstance(response, list):
            return [response]
        scores = [one[:2] if isinstance(one, list) and len(one) == 3 else one for one in response]
        return [one[0] for one in scores] if request.type == "loglikelihood_rolling" else scores

    def _settings(self, request: RequestRecord, generated: _Generated) -> dict[str, Any]:
        """What a request generates under: a class's own requests alone differ from what the files say."""
        if self.task.scorer is None:
            return dict(self.generation)
        own = generated.generation if isinstance(request.generation, msgspec.UnsetType) else request.generation
        return dict(own or {})

    def _values(self, row: _Scored, target: Any, response: Any) -> dict[str, Any]:
        if self.predicted:
            return {"bypass": None} if self.task.output_type == "generate_until" else {}
        values = {name: restore(value) for name, value in row.values.items()}
        if self.task.process_results is not None or self.task.scorer is not None:
            return values  # as the task's function gave them
        return {name: _logged(name, value, target, response) for name, value in values.items()}

    def _rows(self, step: str, kind: type[_Row]) -> Iterator[_Row]:
        path = self.context.folder.view(step, self.model, self.task.name)
        decoder = msgspec.json.Decoder(kind)
        for number, lines in read_lines(path):
            for offset, line in enumerate(lines):
                yield decode_line(decoder, line, str(path), number + offset, self.context.command(step))


def _logged(name: str, value: Any, target: Any, response: Any) -> Any:
    """A row's value as the harness logs it: where step 4 sums counts, what they were counted of."""
    if name in _FROM_TEXTS:
        return [target, response]
    if name == "f1" and isinstance(value, list):  # [both, chosen, right] of the second choice
        return [int(value[2]), int(value[1])]
    if name == "mcc" and isinstance(value, list):  # agreement, then chosen and right of each choice
        return [value[2::2].index(1.0), value[1::2].index(1.0)]
    return value


def _turns(requests: Sequence[RequestRecord]) -> list[list[RequestRecord]]:
    """A document's requests, the repetitions of each together."""
    found: list[list[RequestRecord]] = []
    for record in requests:
        if record.sample == 0:
            found.append([])
        found[-1].append(record)
    return found


def _scores(record: RequestRecord) -> list[tuple[Any, bool]]:
    logprobs = [restore(logprob) for logprob in record.logprobs or ()]
    return list(zip(logprobs, record.greedy or (), strict=True))
