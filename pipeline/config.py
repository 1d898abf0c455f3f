"""The schema of the YAML files: every setting with its meaning and default. Reading files is `config_load.py`.

An engine setting affects output, and so the keys of calls, unless its name stands in `NEUTRAL_ENGINE`: a new setting
counts until someone says that it does not. What else decides a view is put together by each step's `basis` or `spec`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Settings(BaseModel):
    """Base of all settings: unknown keys are errors, values are final, and of the type that is written."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
    shorthand: ClassVar[str | None] = None  # the key that a bare text stands for

    @model_validator(mode="before")
    @classmethod
    def _text_as_mapping(cls, value: Any) -> Any:
        return {cls.shorthand: value} if cls.shorthand and isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        mapping = handler(schema)
        return {"anyOf": [{"type": "string"}, mapping]} if cls.shorthand else mapping


class QuantizationSettings(Settings):
    """A quantization of transformers; other keys are the arguments of its configuration class."""

    model_config = ConfigDict(extra="allow")
    shorthand = "method"

    method: str
    """`bitsandbytes`, `gptq`, `awq`, `torchao`, `hqq`, `quanto` …, as transformers names it (quant_method)."""

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class EngineSettings(Settings):
    """Who computes the answers, and how."""

    backend: Literal["hf"] = "hf"
    """The engine: `hf` runs transformers in this process, on CPU or CUDA."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of the weights; `auto` takes the one the checkpoint was saved in."""
    architecture: Literal["auto", "causal", "seq2seq"] = "auto"
    """`causal` continues a text, `seq2seq` has an encoder for the prompt; `auto` goes by the model's config."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, `mps`; `auto` takes CUDA where there is one."""
    device_map: str | dict[str, int | str] | None = None
    """Spread one model over several devices: `auto`, `balanced`, `sequential`, or module by module (accelerate)."""
    attn_implementation: str | None = None
    """How attention is computed: `sdpa`, `eager`, `flash_attention_2` …; by default as transformers chooses."""
    quantization: QuantizationSettings | None = None
    """Quantize the weights at loading, as transformers does it: `{method: bitsandbytes, load_in_8bit: true}`."""
    max_length: Annotated[int, Field(gt=1)] | None = None
    """Longest sequence in tokens, prompt and answer together; by default what the model's config says."""
    add_bos_token: bool | None = None
    """Whether a plain-text prompt begins with the BOS token; by default as the tokenizer does it."""
    use_model_generation_config: bool = False
    """Follow more of the model's generation_config.json than end and padding tokens: its repetition penalty, and where
    a task or the run samples (`do_sample: true`, `temperature`), its temperature, top_k, top_p and min_p."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model."""
    batch_tokens: Annotated[int, Field(gt=0)] = 8192
    """Tokens (padding included) of one forward pass; halved by itself when memory runs out."""
    max_batch_size: Annotated[int, Field(gt=0)] = 64
    """Rows of one forward pass at most."""
    deterministic: bool = False
    """Compute each row alone, so that results are equal to the bit whatever else is asked. Slower."""
    threads: Annotated[int, Field(gt=0)] | None = None
    """CPU threads of the engine; by default all cores. Replicas on one CPU share them."""
    replicas: Annotated[int, Field(gt=0)] = 1
    """Processes on this machine that each hold the model and share the work: one a CUDA device, or parts of the CPU."""

    @model_validator(mode="after")
    def _one_device_a_replica(self) -> EngineSettings:
        if self.replicas > 1 and self.device_map is not None:
            raise ValueError("`replicas` puts the whole model on each device, `device_map` spreads one: choose one")
        return self


class ModelSettings(Settings):
    """The base model."""

    shorthand = "path"

    path: str = ""
    """A local folder, or a name on the Hugging Face hub. Left out only where all tasks have `predictions`."""
    name: str = "base"
    """What the model is called in files and tables."""
    revision: str | None = None
    """Branch, tag or commit of a hub model."""
    tokenizer: str | None = None
    """A folder or hub name whose tokenizer and chat template are used instead of the model's own."""
    delta: str | None = None
    """A folder or hub name of delta weights, which are added to the model's."""
    identity: str | None = None
    """Your word for what exactly is served, where weights cannot be hashed."""


class AdapterSettings(Settings):
    """LoRA adapters; each becomes a model of its own."""

    shorthand = "path"

    path: str
    """An adapter's folder; `*` matches several, sorted by training step."""
    name: str | None = None
    """What the model is called; by default the last two parts of the path, joined by `__`."""
    tokenizer: Literal["base", "adapter"] | None = None
    """Which tokenizer and template count where the adapter's folder carries different ones."""
    allow_inert: bool = False
    """Accept an adapter that changes no output (a LoRA at step 0)."""


class ColumnSettings(Settings):
    """What the columns (fields) of your own data are called; one that is named must be there."""

    prompt: str | None = None
    """What is asked: text, or a list of messages with role and content. By default `prompt`."""
    target: str | None = None
    """The right answer, or a list of them. By default `target`; in predictions `label`."""
    system: str | None = None
    """A system message of the document's own."""
    history: str | None = None
    """Earlier turns: a list of [question, answer]."""
    response: str | None = None
    """In predictions: what the model answered. By default `predict`."""


class TaskSettings(Settings):
    """One task to run: a name known to the task loader, or data of your own with its format."""

    shorthand = "name"

    name: str
    """A task, group, tag or pattern with `*`, bundled or under `include_path`, or of lm_eval's after `lm_eval:`; a task
    file or a folder of them; or the name to give to your own data."""
    data: str | None = None
    """A file of your own with `format`; makes a task of it without any task file."""
    format: Literal["alpaca", "sharegpt", "json", "jsonl", "csv", "tsv", "parquet", "llme_letters"] | None = None
    """The form of `data`: `alpaca` has instruction, input, output, history; `sharegpt` has conversations; the others
    have named columns. Of `predictions`: `llme_letters` is {subject: {index: letter}} for the task called `name`."""
    columns: ColumnSettings = ColumnSettings()
    """What the columns of `data` or `predictions` are called."""
    predictions: str | dict[str, str] | None = None
    """A file of answers that another tool has generated, or such a file for each model: no model is asked."""
    data_dir: str | None = None
    """A folder or zip that holds the task's data, instead of the hub."""
    data_files: str | dict[str, str] | None = None
    """A file, or a file for each split, instead of the hub."""
    field: str | None = None
    """In JSON that is one object: the key that holds the list of documents, in each of the entry's files."""
    missing_data: Literal["error", "skip"] = "error"
    """Whether tasks of a group that have no data in `data_dir` are an error, or are left out, which the run says."""
    num_fewshot: Annotated[int, Field(ge=0)] | None = None
    """Examples shown before each question; wins over the task's file, zero too, but not over `--set`."""
    generation_kwargs: dict[str, Any] = {}
    """Generation settings for this task, over those of its file."""
    limit: Annotated[float, Field(gt=0)] | None = None
    """Documents of this task, over the file's `limit` for the run, but not over `--set step1.limit`."""
    metadata: dict[str, Any] = {}
    """Over the `metadata` of the task's file and of the run: what a `custom_dataset` function is called with."""

    @model_validator(mode="after")
    def _one_source(self) -> TaskSettings:
        letters = self.format == "llme_letters"
        if self.predictions is None:
            if (self.data is None) != (self.format is None):
                raise ValueError("`data` and `format` go together: give both, or neither")
            if letters:
                raise ValueError("`format: llme_letters` is a form of `predictions`, not of `data`")
            if self.columns.response is not None:
                raise ValueError("`columns.response` is for `predictions`; what is right is `columns.target`")
        elif self.data is not None:
            raise ValueError("give `data`, which a model is asked about, or `predictions`, but not both")
        elif self.format in ("alpaca", "sharegpt"):
            raise ValueError(f"`predictions` have named columns or are `llme_letters`, but not `{self.format}`")
        own = self.data is not None or self.predictions is not None
        if self.field is not None and not (own or self.data_dir is not None or self.data_files is not None):
            raise ValueError("`field` is for files of your own: data, predictions, data_dir or data_files")
        if self.columns != ColumnSettings() and (not own or self.format in ("alpaca", "sharegpt", "llme_letters")):
            raise ValueError("`columns` are for data with named columns: json, jsonl, csv, tsv, parquet")
        return self


class MetricSettings(Settings):
    """One metric of step 3, added to those of the tasks' own files; other keys are the metric's arguments."""

    model_config = ConfigDict(extra="allow")
    shorthand = "name"

    name: str
    """A registered metric, such as `rouge` or `exact_match`."""
    tasks: list[str] | None = None
    """Only these tasks; by default all whose answers the metric can value."""
    label: str | None = None
    """Stands behind the metric's name, so that one metric can be asked for twice: two reward models, say."""

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Shared(Settings):
    """What all steps of a run share."""

    output_dir: str
    """The run's folder; results go to `<output_dir>/<model>/<task>/`."""
    memo_dir: str | None = None
    """Where finished calls are kept for all runs; by default `.memo` beside the run's folder."""
    seed: int = 1234
    """Seed of sampling; few-shot examples have `fewshot_seed`."""
    processes: Annotated[int, Field(gt=0)] | None = None
    """Worker processes of steps 2 and 3; by default one a core."""
    max_attempts: Annotated[int, Field(gt=0)] = 3
    """How often a call that fails for its own reason (a context too long) is tried, over all runs."""
    allow_stale: bool = False
    """Work on an input that is out of date instead of stopping."""
    predict_only: bool = False
    """Generate and post-process alone: no metric is computed, and code that would score is never loaded."""


class Step1Settings(Shared):
    """Generation: ask the models."""

    engine: EngineSettings = EngineSettings()
    """Who computes the answers."""
    model: ModelSettings
    """The base model: a folder, a hub name, or a mapping. Not needed where all tasks have `predictions`."""
    adapters: list[AdapterSettings] = []
    """LoRA adapters of that base; `*` in a path matches several."""
    tasks: Annotated[list[TaskSettings], Field(min_length=1)]
    """What to ask: names of tasks and groups, or mappings."""
    include_path: list[str] = []
    """Folders with task files of your own."""
    trust_task_code: bool = False
    """Run Python code that task files outside this project name."""
    limit: Annotated[float, Field(gt=0)] | None = None
    """The first so many documents of each task; below 1, that fraction."""
    samples: dict[str, list[int]] | None = None
    """Chosen document indices of each task, instead of `limit`."""
    replicate: int = 0
    """Number of the repetition: another one samples anew, for the noise floor."""
    num_fewshot: Annotated[int, Field(ge=0)] | None = None
    """Examples shown before each question, for every task."""
    fewshot_seed: int = 1234
    """Seed of the choice of few-shot examples."""
    python_seed: int | None = 0
    """Seed of Python's `random` for code of a task's own; null leaves it unset."""
    numpy_seed: int | None = 1234
    """The same for numpy."""
    metadata: dict[str, Any] = {}
    """Over the `metadata` of every task's file: what a `custom_dataset` function is called with."""
    apply_chat_template: bool | str = "auto"
    """Put prompts through the chat template. `auto`: only those of tasks that ask in messages. A name chooses one of
    the tokenizer's several templates."""
    chat_template: str | None = None
    """A Jinja file to use instead of the tokenizer's template."""
    fewshot_as_multiturn: bool = False
    """Show few-shot examples as turns of the dialogue."""
    system_instruction: str | None = None
    """A system message before every prompt."""
    generation: dict[str, Any] = {}
    """Generation settings for all tasks; a task's own win."""
    generation_override: dict[str, Any] = {}
    """Generation settings that win over the tasks' own."""
    write_out: bool = False
    """Before asking, show the first prompt of each task as it is sent, and its target."""
    show_config: bool = False
    """Before asking, show the resolved configuration of each task."""

    @model_validator(mode="before")
    @classmethod
    def _predictions_need_no_model(cls, value: Any) -> Any:
        tasks = value.get("tasks") if isinstance(value, dict) else None
        listed = tasks if isinstance(tasks, list) else []
        if listed and all(isinstance(task, dict) and "predictions" in task for task in listed):
            return {"model": {}, **value}
        return value

    @model_validator(mode="after")
    def _asks_or_imports(self) -> Step1Settings:
        imported = [task.predictions is not None for task in self.tasks]
        if any(imported) and not all(imported):
            name = self.tasks[imported.index(False)].name
            raise ValueError(f"`predictions` and tasks that are asked, such as {name}, cannot be in one run")
        if any(imported) and (self.model.path or self.adapters):
            raise ValueError(
                "a run of `predictions` asks no model: leave out `adapters`, and of `model` all but `name`"
            )
        if not any(imported) and not self.model.path:
            raise ValueError("`model.path` is missing: a local folder, or a name on the Hugging Face hub")
        return self

    @model_validator(mode="after")
    def _one_template(self) -> Step1Settings:
        if self.chat_template is not None and self.template_name is not None:
            raise ValueError(
                "`chat_template` names a file, and `apply_chat_template` one of the tokenizer's templates: choose one"
            )
        return self

    @property
    def template_name(self) -> str | None:
        """Which of the tokenizer's several chat templates is used; None for its default."""
        asked = self.apply_chat_template
        return asked if isinstance(asked, str) and asked != "auto" else None

    def samples_of(self, task: str) -> list[int] | None:
        """The chosen documents of a task; None for all within its limit."""
        return (self.samples or {}).get(task)

    @property
    def imports(self) -> bool:
        """Whether the answers are predictions of another tool."""
        return self.tasks[0].predictions is not None


class Step2Settings(Shared):
    """Post-processing: what of each answer counts."""

    filters: dict[str, list[dict[str, Any]]] = {}
    """Filter pipelines for all tasks, by name, beside their own: lists of `{function: …}`."""


class Step3Settings(Shared):
    """Scoring: a value for each row."""

    metrics: list[MetricSettings] = []
    """Metrics beside those of the tasks' own files."""


class Step4Settings(Shared):
    """Aggregation: numbers with their errors, group means, tables."""

    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Confidence level of the intervals."""
    task_code_resamples: Annotated[int, Field(ge=0)] = 0
    """Bootstrap samples for figures that a task's own function makes of all values, which may be slow; 0: no error."""
    lm_eval_layout: str | None = None
    """A folder for the results in lm-evaluation-harness's layout too: `<model>/results_<time>.json`."""
    lm_eval_samples: bool = False
    """With `lm_eval_layout`: also write every prompt, response and score, as `samples_<task>_<time>.jsonl`."""


# Settings of a run that its task entries may have of their own; the command line's win over these too.
INHERITED_BY_TASKS = ("limit", "num_fewshot")

STEP_SETTINGS: dict[str, type[Shared]] = {
    "step1": Step1Settings,
    "step2": Step2Settings,
    "step3": Step3Settings,
    "step4": Step4Settings,
}

# Engine settings that change no output: where to work and how hard.
# The same for the engine. `attn_implementation` is none of these: kernels differ by more than the order of a sum.
NEUTRAL_ENGINE: frozenset[str] = frozenset(
    {"device", "device_map", "batch_tokens", "max_batch_size", "threads", "replicas"}
)
