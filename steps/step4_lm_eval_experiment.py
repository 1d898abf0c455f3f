"""Step 4 in lm-evaluation-harness's layout: what its results file says of model, run and machine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from models.chat_templates import DEFAULT, chat_templates, chosen_template, template_file_text
from models.hardware import package_versions
from models.locate import hub_commit, model_folder
from models.parameter_count import UNKNOWN, parameter_count
from pipeline.errors import InputError
from pipeline.lock_file import LockFile
from pipeline.run_folder import STEPS
from reports.lm_eval_layout import VERSION, model_folder_name, text_hash
from stats.bootstrap import RESAMPLES
from steps.step4_lm_eval_run import ModelRun


def model_and_run(run: ModelRun) -> dict[str, Any]:
    """The section `config`: the model with its size and format, batches, seeds and limit."""
    settings = run.settings
    folder = _model_folder(run)
    adapter = Path(run.model.adapter) if run.model.adapter else None
    seeds = {"random_seed": settings.python_seed, "numpy_seed": settings.numpy_seed, "torch_seed": settings.seed}
    hardware = run.entry.run.get("hardware", {})
    return {
        "model": run.source,
        "model_args": run.arguments,
        "model_num_parameters": parameter_count(folder, adapter) if folder else UNKNOWN,
        "model_dtype": f"torch.{run.engine['dtype']}" if "dtype" in run.engine else "",
        "model_revision": settings.model.revision or "main",
        "model_sha": (hub_commit(folder) or "") if folder else "",
        **{
            f"{kind}_sha": hub_commit(Path(run.arguments[kind])) or ""
            for kind in ("peft", "delta")
            if kind in run.arguments
        },
        "batch_size": settings.engine.max_batch_size,
        "batch_sizes": [],
        "device": hardware.get("device", settings.engine.device),
        "use_cache": None,
        "limit": _limit(settings.limit),
        "bootstrap_iters": RESAMPLES,
        "gen_kwargs": dict(settings.generation_override) or None,
        **seeds,
        "fewshot_seed": settings.fewshot_seed,
    }


def surroundings(run: ModelRun) -> dict[str, Any]:
    """When and where the run was made, by which versions, and the tokenizer's special tokens where it is at hand."""
    record, engine = run.context.record, run.entry.run.get("versions", {})
    versions = engine or package_versions(("torch", "transformers"))
    lines = [
        f"Written by llm_evaluation in the layout of lm_eval {VERSION}",
        f"Python version: {record['python']}",
        f"Python platform: {record['platform']}",
        *(f"{package} version: {version}" for package, version in versions.items()),
    ]
    return {
        "git_hash": record["commit"],
        "date": min(datetime.fromisoformat(one.started).timestamp() for one in run.entries.values()),
        "pretty_env_info": "\n".join(lines),
        "transformers_version": versions.get("transformers", "N/A"),
        "lm_eval_version": VERSION,
        "upper_git_hash": None,
        **_special_tokens(run),
    }


def experiment(run: ModelRun) -> dict[str, Any]:
    """The model's names, what its prompts went through, and the seconds that all four steps took."""
    settings = run.settings
    template = _chat_template(run)
    seconds = [
        entry.seconds
        for step in STEPS
        for name, entry in LockFile(run.context.folder, step, run.model.name).entries().items()
        if name in run.entries
    ]
    return {
        "model_source": run.source,
        "model_name": run.name,
        "model_name_sanitized": model_folder_name(run.name),
        "system_instruction": settings.system_instruction,
        "system_instruction_sha": text_hash(settings.system_instruction) if settings.system_instruction else None,
        "fewshot_as_multiturn": settings.fewshot_as_multiturn,
        "chat_template": template,
        "chat_template_sha": text_hash(template) if template else None,
        "total_evaluation_time_seconds": str(math.fsum(seconds)),
    }


def _limit(limit: float | None) -> float | None:
    """A count is a whole number there."""
    return int(limit) if limit is not None and limit >= 1 else limit


def _model_folder(run: ModelRun) -> Path | None:
    """The model's files, if they are still there."""
    model = run.settings.model
    try:
        return None if run.settings.imports else model_folder(model.path, model.revision, download=False)
    except InputError:
        return None


def _chat_template(run: ModelRun) -> str | None:
    """The template that prompts went through; None for a run of plain texts."""
    settings = run.settings
    if settings.imports or settings.apply_chat_template in (False, "auto"):
        return None
    if settings.chat_template:
        return template_file_text(Path(settings.chat_template))
    folder = run.tokenizer_folder()
    if settings.template_name:
        return chosen_template(folder, settings.template_name)
    return chat_templates(folder).get(DEFAULT)


def _special_tokens(run: ModelRun) -> Mapping[str, Any]:
    """As [token, id as text] each; nothing for predictions, or for a tokenizer that is not what step 1 has used."""
    if run.settings.imports:
        return {}
    try:
        tokenizer = run.texts.encoder().tokenizer
    except InputError:
        return {}
    padding = next((one for one in ("pad", "unk", "eos") if getattr(tokenizer, f"{one}_token_id") is not None), "pad")
    tokens = {
        f"tokenizer_{name}_token": [getattr(tokenizer, f"{kind}_token"), str(getattr(tokenizer, f"{kind}_token_id"))]
        for name, kind in (("pad", padding), ("eos", "eos"), ("bos", "bos"))
    }
    return {**tokens, "eot_token_id": tokenizer.eos_token_id, "max_length": run.engine.get("max_length")}
