"""The table of filters: what of a response counts. A filter is a function made by a registered factory.

Adding one: write a factory in a file of this folder, decorate it with `@register_filter`, and import that file in
`filters/__init__.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.errors import TaskError
from pipeline.near import did_you_mean

# Takes one document's responses (one a sample) and the document; gives back what the next filter gets: as a rule the
# responses again, or a single value once a filter has chosen.
Filter = Callable[[Any, Mapping[str, Any]], Any]
FilterFactory = Callable[..., Filter]

_FACTORIES: dict[str, FilterFactory] = {}


class Unparsed(str):
    """The value that stands for an answer in which a filter found nothing.

    It is the fallback text to everyone else; being of a type of its own tells it from an answer that reads the same.
    A filter that rewrites texts keeps the type: `type(text)(…)`.
    """

    __slots__ = ()


def parse_failed(value: Any) -> bool:
    """Whether filters found nothing in the answer, or, with several samples, in none of them.

    Ask before the value is encoded.
    """
    if isinstance(value, list):
        return bool(value) and all(parse_failed(item) for item in value)
    return isinstance(value, Unparsed)


def each_text(transform: Callable[[Any], Any]) -> Filter:
    """A filter that applies `transform` to each response, or to the one value that an earlier filter has chosen."""

    def apply(responses: Any, _document: Mapping[str, Any]) -> Any:
        if isinstance(responses, (list, tuple)):
            return [transform(response) for response in responses]
        return transform(responses)

    return apply


def register_filter(*names: str) -> Callable[[FilterFactory], FilterFactory]:
    """Register a factory, which takes the filter's arguments from YAML and returns the filter."""

    def register(factory: FilterFactory) -> FilterFactory:
        for name in names:
            if name in _FACTORIES:
                raise ValueError(f"two filters are called {name}")
            _FACTORIES[name] = factory
        return factory

    return register


def is_registered(name: str) -> bool:
    """Whether `build_filter` knows the name."""
    return name in _FACTORIES


def build_filter(name: str, arguments: Mapping[str, Any], where: str = "") -> Filter:
    """The filter `name` with its arguments. Raises TaskError, at `where`, for an unknown name or argument."""
    factory = _FACTORIES.get(name)
    if factory is None:
        hint = did_you_mean(name, _FACTORIES, f"Known filters: {', '.join(sorted(_FACTORIES))}")
        raise TaskError(f"no filter is called {name!r}", where=where, fix=hint)
    try:
        return factory(**arguments)
    except (TypeError, ValueError) as error:
        raise TaskError(f"the filter {name} does not take these arguments: {error}", where=where) from error


def build_pipeline(steps: Sequence[tuple[str, Mapping[str, Any]]], where: str = "") -> Filter:
    """Several filters as one, applied in order."""
    filters = [build_filter(name, arguments, where) for name, arguments in steps]

    def apply(responses: Any, document: Mapping[str, Any]) -> Any:
        for one in filters:
            responses = one(responses, document)
        return responses

    return apply
