"""The keys of a task file: which there are, what values they take, and their defaults.

One frozen struct, checked and located; it renders nothing and reads no data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from pipeline.errors import ConfigError, Problem
from pipeline.near import or_meant
from pipeline.requests import CandidateRule
from tasks.expansion import expansion_problems, slice_group_problems
from tasks.scoring_keys import filter_problems, metric_problems
from tasks.task_file import FunctionReference, TaskFile

OUTPUT_TYPES = ("generate_until", "multiple_choice", "loglikelihood", "loglikelihood_rolling", "next_token")
_DEFAULT_METRICS = {
    "generate_until": ("exact_match",),
    "multiple_choice": ("acc", "acc_norm"),
    "loglikelihood": ("perplexity", "acc"),
    "loglikelihood_rolling": ("word_perplexity", "byte_perplexity", "bits_per_byte"),
    "next_token": ("acc",),
}
_FEWSHOT_KEYS = (
    "sampler",
    "split",
    "samples",
    "process_docs",
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "gen_prefix",
    "target_delimiter",
    "fewshot_delimiter",
    "fewshot_indices",  # without effect, as in lm_eval 0.4.13
)
_SAMPLERS = ("default", "first_n")
# Keys of the harness's format that are read and not carried out; a value of None or False is as if absent.
_UNSUPPORTED = {"doc_to_image": "images", "doc_to_audio": "audio", "use_prompt": "promptsource prompts"}
# Values of keys that this project adds to the harness's format, each list's first being the default.
_OPTIONS = {
    "prompt_form": ("text", "messages", "turns"),
    "description_role": ("system", "user"),
    "candidate_rule": ("either", "last"),
}
# Keys that change nothing here: names for display, and the harness's own bookkeeping.
_CARRIED = ("tag", "group", "group_alias", "recipe", "include", "task_list")
_SPLITS = ("test_split", "validation_split", "training_split", "fewshot_split")
# A template or column name, an index, fixed choices, or a function.
FieldValue = str | int | list[Any] | dict[str, Any] | FunctionReference | None


@dataclass(frozen=True)
class TaskConfig:
    """A task file's settings, each under its own key's name; `file` knows their lines."""

    file: TaskFile
    task: str
    task_alias: str | None = None
    python_class: FunctionReference | None = None  # `class:` in the file; it brings what the file leaves open
    output_type: str = "generate_until"
    custom_dataset: FunctionReference | None = None  # makes the splits, instead of a data set
    dataset_path: str | None = None
    dataset_name: str | None = None
    dataset_kwargs: Mapping[str, Any] = field(default_factory=dict)
    training_split: str | None = None
    validation_split: str | None = None
    test_split: str | None = None
    fewshot_split: str | None = None
    process_docs: FunctionReference | None = None
    doc_to_text: FieldValue = None
    doc_to_messages: str | FunctionReference | None = None  # the whole dialogue, instead of doc_to_text
    doc_to_target: FieldValue = None
    doc_to_choice: FieldValue = None
    description: str = ""
    target_delimiter: str = " "
    fewshot_delimiter: str = "\n\n"
    gen_prefix: str | None = None
    # `text`: a plain text, unless the run asks in chat. `messages`: always through the model's chat template. `turns`:
    # also with each few-shot example as two turns of the dialogue.
    prompt_form: str = "text"
    description_role: str = "system"  # whose words the description is: a system message, or the first user turn's head
    candidate_rule: CandidateRule = "either"  # for next_token; see `pipeline.requests`
    local_kwargs: Mapping[str, Any] = field(default_factory=dict)  # how a copy in the run's data_dir is to be read
    num_fewshot: int | None = None
    fewshot_config: Mapping[str, Any] = field(default_factory=dict)
    generation_kwargs: Mapping[str, Any] = field(default_factory=dict)
    repeats: int = 1
    filter_list: list[Mapping[str, Any]] | None = None
    metric_list: list[Mapping[str, Any]] = field(default_factory=list)
    process_results: FunctionReference | None = None
    unsafe_code: bool = False
    should_decontaminate: bool = False
    doc_to_decontamination_query: str | None = None
    metadata: Any = None
    cluster: str | None = None
    slices: list[str] = field(default_factory=list)
    slice_groups: Mapping[str, Any] = field(default_factory=dict)  # means over the figures of several slices
    expand: Mapping[str, Any] | None = None  # one row of step 2 for each entry of a column; see `tasks.task.Expansion`
    primary_metric: str | None = None
    higher_is_better: bool | Mapping[str, bool] | None = None

    @property
    def eval_split(self) -> str:
        """The split that is asked about: test, else validation, else training."""
        split = self.test_split or self.validation_split or self.training_split
        assert split is not None  # `read_config` has seen to it
        return split

    def split_place(self, split: str) -> str:
        """Where the file names the split; the file itself where it names none such."""
        named = [key for key in _SPLITS if getattr(self, key) == split]
        return self.file.where(named[0]) if named else self.file.where("fewshot_config", "split")


_TEXT, _FIELD = (str,), (str, int, list, dict, FunctionReference)
_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("task", "task_alias", "output_type", "dataset_path", "dataset_name"), _TEXT),
    **dict.fromkeys(("description", "gen_prefix"), _TEXT),
    **dict.fromkeys(_SPLITS, _TEXT),
    **dict.fromkeys(("target_delimiter", "fewshot_delimiter", "cluster", "primary_metric"), _TEXT),
    **dict.fromkeys(_OPTIONS, _TEXT),
    **dict.fromkeys(("doc_to_target", "doc_to_choice"), _FIELD),
    **dict.fromkeys(("dataset_kwargs", "local_kwargs", "fewshot_config", "generation_kwargs"), (dict,)),
    **dict.fromkeys(("expand", "slice_groups"), (dict,)),
    **dict.fromkeys(("filter_list", "metric_list", "slices"), (list,)),
    **dict.fromkeys(("num_fewshot", "repeats"), (int,)),
    "doc_to_text": (str, int, FunctionReference),
    "doc_to_messages": (str, FunctionReference),
    **dict.fromkeys(("process_docs", "custom_dataset", "process_results", "class"), (FunctionReference,)),
    "unsafe_code": (bool,),
    "doc_to_decontamination_query": (str, FunctionReference),
    "should_decontaminate": (bool,),
    "higher_is_better": (bool, dict),
    "metadata": (object,),
}
_KIND_NAMES = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "a mapping",
    FunctionReference: "a !function",
}


def read_config(file: TaskFile) -> TaskConfig:
    """The settings of a task file, checked. Raises ConfigError with all faults, each with its line."""
    problems = [problem for key, value in file.values.items() for problem in _key_problems(file, key, value)]
    if problems:
        raise ConfigError(problems)
    config = _with_defaults(file)
    problems = [*_setting_problems(config), *_list_problems(config), *_fewshot_problems(config)]
    if problems:
        raise ConfigError(problems)
    return config


def _with_defaults(file: TaskFile) -> TaskConfig:
    own = {one.name for one in fields(TaskConfig)} - {"file"}
    values = {key: value for key, value in file.values.items() if key in own and value is not None}
    values["python_class"] = file.values.get("class")
    config = TaskConfig(file=file, **values)
    if not config.metric_list:
        values["metric_list"] = [{"metric": name} for name in _DEFAULT_METRICS.get(config.output_type, ())]
    if config.output_type == "generate_until":
        values["generation_kwargs"] = _generation(config)
    return TaskConfig(file=file, **values)


def _generation(config: TaskConfig) -> dict[str, Any]:
    """The harness stops at the few-shot delimiter where a task names no stop string, and decodes greedily."""
    if not config.generation_kwargs:
        return {"until": [config.fewshot_delimiter], "do_sample": False, "temperature": 0.0}
    return {"until": [config.fewshot_delimiter], **config.generation_kwargs}


def unsupported(file: TaskFile) -> list[Problem]:
    """What of the file cannot be carried out here, with the line of each."""
    found = [key for key in _UNSUPPORTED if file.values.get(key) not in (None, False)]
    return [Problem(file.where(key), f"`{key}` ({_UNSUPPORTED[key]}) is not supported") for key in found]


def _key_problems(file: TaskFile, key: str, value: Any) -> list[Problem]:
    where = file.where(key)
    if key in _CARRIED or key in _UNSUPPORTED:
        return []
    wanted = _TYPES.get(key)
    if wanted is None and file.values.get("class") is not None:
        return []  # the class is given all keys, and may have some of its own
    if wanted is None:
        hint = or_meant(key, [*_TYPES, *_UNSUPPORTED, *_CARRIED])
        return [Problem(where, f"`{key}` is not a key of task files{hint}")]
    if value is None or (isinstance(value, wanted) and (not isinstance(value, bool) or bool in wanted)):
        return []
    if object in wanted:
        return []
    kinds = " or ".join(_KIND_NAMES[kind] for kind in wanted)
    return [Problem(where, f"`{key}` takes {kinds}, not {value!r}")]


def _setting_problems(config: TaskConfig) -> list[Problem]:
    file, problems = config.file, []
    if config.output_type not in OUTPUT_TYPES:
        hint = or_meant(config.output_type, OUTPUT_TYPES, f"there are {', '.join(OUTPUT_TYPES)}")
        problems.append(Problem(file.where("output_type"), f"unknown output_type {config.output_type!r}{hint}"))
    for key, options in _OPTIONS.items():
        value = getattr(config, key)
        if value not in options:
            hint = or_meant(value, options, f"there are {', '.join(options)}")
            problems.append(Problem(file.where(key), f"`{key}` cannot be {value!r}{hint}"))
    if config.repeats < 1:
        problems.append(Problem(file.where("repeats"), f"`repeats` must be at least 1, not {config.repeats}"))
    if (config.num_fewshot or 0) < 0:
        problems.append(Problem(file.where("num_fewshot"), "`num_fewshot` must not be below 0"))
    return problems if config.python_class is not None else problems + _lacking(config)


def _lacking(config: TaskConfig) -> list[Problem]:
    """What a task must say that no Python class says for it."""
    file, problems = config.file, []
    if not (config.test_split or config.validation_split or config.training_split):
        problems.append(Problem(file.where("task"), "the task names no test_split, validation_split or training_split"))
    if config.output_type in ("multiple_choice", "next_token") and config.doc_to_choice is None:
        problems.append(Problem(file.where("output_type"), f"`{config.output_type}` needs doc_to_choice"))
    if config.doc_to_messages is not None:
        problems += _message_problems(config)
    elif config.doc_to_text is None and config.output_type != "loglikelihood_rolling":
        problems.append(Problem(file.where("task"), "the task has no doc_to_text"))
    if config.doc_to_target is None:
        problems.append(Problem(file.where("task"), "the task has no doc_to_target"))
    return problems


def _message_problems(config: TaskConfig) -> list[Problem]:
    """A task that gives whole dialogues has nothing else in them."""
    where = config.file.where("doc_to_messages")
    if config.output_type != "generate_until":
        return [Problem(where, "`doc_to_messages` is for tasks of output_type generate_until")]
    others = [
        name
        for name in ("doc_to_text", "description", "gen_prefix", "num_fewshot", "fewshot_split")
        if getattr(config, name)
    ]
    return [
        Problem(where, f"`doc_to_messages` gives the whole dialogue; `{name}` has no place in it") for name in others
    ]


def _list_problems(config: TaskConfig) -> list[Problem]:
    file = config.file
    problems = [*metric_problems(file, config.metric_list), *filter_problems(file, config.filter_list or [])]
    problems += expansion_problems(file, config.expand)
    problems += slice_group_problems(file, config.slice_groups, config.slices)
    return problems


def _fewshot_problems(config: TaskConfig) -> list[Problem]:
    file, problems = config.file, []
    for key in config.fewshot_config:
        if key not in _FEWSHOT_KEYS:
            hint = or_meant(str(key), _FEWSHOT_KEYS, f"there are {', '.join(_FEWSHOT_KEYS)}")
            problems.append(Problem(file.where("fewshot_config", key), f"`{key}` is not a key of fewshot_config{hint}"))
    sampler = config.fewshot_config.get("sampler", "default")
    if sampler not in _SAMPLERS and not isinstance(sampler, FunctionReference):
        message = f"unknown few-shot sampler {sampler!r}; there are {', '.join(_SAMPLERS)}, or a class by `!function`"
        problems.append(Problem(file.where("fewshot_config", "sampler"), message))
    return problems
