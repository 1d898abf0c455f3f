"""Every flag of `lm_eval run` in lm-evaluation-harness 0.4.13, and what it is here.

A row is what `from-lm-eval` goes by and what docs/from-lm-eval.md shows. The values of `--model_args` are
`model_args.py`, what stands before the command is `launch.py`.
"""

from __future__ import annotations

from migration.table import Option, by_name

FLAGS = by_name(
    [
        Option(
            "config",
            "equivalent",
            "its keys are read as flags",
            "a flag on the command line wins over the file, as there",
            short="C",
        ),
        Option(
            "tasks",
            "supported",
            "step1.tasks",
            "a bundled task, group, tag or pattern becomes `lm_eval:<name>`; a name that a folder of `--include_path`"
            " defines stays plain, and so does the path of a task file or of a folder of them",
            "names",
            "t",
        ),
        Option("model", "supported", "step1.engine", "the types are listed below; without the flag `hf`", short="M"),
        Option("model_args", "supported", "step1.model, step1.engine", "listed below", "mapping", "a"),
        Option(
            "apply_chat_template",
            "supported",
            "step1.apply_chat_template",
            "off unless it is given, as there; a value names one of the tokenizer's templates",
            "optional_text",
        ),
        Option(
            "limit",
            "supported",
            "step1.limit",
            "a count, or below 1 a fraction rounded up",
            "number",
            "L",
            "step1.limit",
        ),
        Option(
            "use_cache",
            "equivalent",
            "the memo, always on",
            "each finished call is kept and found again, by model, adapter, tokenizer, settings and prompt; lm_eval's"
            " cache knows the prompt alone, whichever model answered",
            short="c",
        ),
        Option(
            "num_fewshot",
            "supported",
            "step1.num_fewshot",
            "wins over every task's file; lm_eval leaves a task without examples whose file says `num_fewshot: 0`",
            "whole",
            "f",
            "step1.num_fewshot",
        ),
        Option(
            "batch_size",
            "equivalent",
            "step1.engine.max_batch_size",
            "a number is the most rows of a batch, which engine.batch_tokens bounds too; `auto` and `auto:N` need"
            " nothing: batches are sized by tokens, and halved where memory runs out",
            short="b",
        ),
        Option(
            "max_batch_size",
            "equivalent",
            "step1.engine.max_batch_size",
            "counts with `--batch_size auto` alone, as there",
            "whole",
        ),
        Option(
            "device",
            "supported",
            "step1.engine.device",
            "`cpu`, `cuda`, `cuda:N` and `mps`; without the flag CUDA where there is one, as there; a CUDA device that"
            " is not there is an error, while lm_eval takes the CPU",
        ),
        Option(
            "gen_kwargs",
            "supported",
            "step1.generation_override",
            "wins over the tasks' own; a name that is no generation setting here is refused",
            "mapping",
        ),
        Option(
            "output_path",
            "supported",
            "step4.lm_eval_layout",
            "results_*.json and samples_*.jsonl are written there besides this project's own files in output_dir",
            short="o",
        ),
        Option(
            "log_samples",
            "supported",
            "step4.lm_eval_samples",
            "this project's own files always hold every prompt, response and score",
            "switch",
            "s",
        ),
        Option(
            "samples",
            "supported",
            "step1.samples",
            "JSON or a file of it: document indices of each task; not together with `--limit`, as there",
            "samples",
            "E",
            "step1.samples",
        ),
        Option(
            "cache_requests",
            "equivalent",
            "nothing",
            "prompts are rendered once a run and not kept: that is cheap, and nothing of it can be stale",
            "optional_text",
        ),
        Option(
            "check_integrity",
            "equivalent",
            "python main.py check RUN.yaml --plan",
            "run it first: it loads every task and renders its first prompt",
            "switch",
        ),
        Option(
            "system_instruction",
            "supported",
            "step1.system_instruction",
            "a system message with a chat template, else text before the prompt, as there",
            setting="step1.system_instruction",
        ),
        Option(
            "fewshot_as_multiturn",
            "supported",
            "step1.fewshot_as_multiturn",
            "on with a chat template unless it is switched off, as there; without a chat template an error, as there",
            "optional_yes_no",
        ),
        Option(
            "include_path",
            "supported",
            "step1.include_path",
            "there a name that the folder defines hides a bundled one; here both can be named, one with `lm_eval:`",
        ),
        Option(
            "verbosity",
            "equivalent",
            "--verbose or --quiet after the command",
            "DEBUG is --verbose, WARNING and above --quiet",
            short="v",
        ),
        Option("write_out", "supported", "step1.write_out", "", "switch", "w", "step1.write_out"),
        Option(
            "show_config",
            "supported",
            "step1.show_config",
            "shown before the work, not after it",
            "switch",
            setting="step1.show_config",
        ),
        Option(
            "wandb_args",
            "refused",
            "leave the flag out and log all_results.json with a script of yours",
            "results are not sent to Weights & Biases",
            "mapping",
            neutral=({},),
        ),
        Option(
            "wandb_config_args",
            "refused",
            "leave the flag out",
            "results are not sent to Weights & Biases",
            "mapping",
            neutral=({},),
        ),
        Option(
            "trackio_args",
            "refused",
            "leave the flag out and log all_results.json with a script of yours",
            "results are not sent to Trackio",
            "mapping",
            neutral=({},),
        ),
        Option(
            "hf_hub_log_args",
            "refused",
            "leave the flag out, give --output_path, and upload that folder with `hf upload`",
            "results are not sent to the Hugging Face hub",
            "mapping",
            neutral=({},),
        ),
        Option(
            "predict_only",
            "supported",
            "predict_only",
            "steps 1 and 2 work, nothing is scored; the samples are written, as there",
            "switch",
            "x",
        ),
        Option(
            "seed",
            "supported",
            "step1.python_seed, step1.numpy_seed, seed, step1.fewshot_seed",
            "in that order, 0,1234,1234,1234 by default, as there; a sample's own seed follows from `seed` and its"
            " prompt, so that a batch changes no text; `None` leaves Python's and numpy's unset, and for the two others"
            " means the default",
            "seeds",
        ),
        Option(
            "trust_remote_code",
            "supported",
            "step1.engine.trust_remote_code",
            "Python code of task files needs step1.trust_task_code, which is set in any case: lm_eval runs it unasked",
            "switch",
            setting="step1.engine.trust_remote_code",
        ),
        Option(
            "confirm_run_unsafe_code",
            "refused",
            "leave the flag out where no task is marked unsafe_code, or add --predict_only",
            "generated code is not executed, so tasks marked unsafe_code (humaneval, mbpp …) are not scored",
            "switch",
        ),
        Option(
            "metadata",
            "supported",
            "step1.metadata",
            "with the model's path and tokenizer, which lm_eval adds; where the flag is not given, these stand there"
            " for tasks that count the model's tokens (RULER, BABILong)",
            "mapping",
        ),
    ]
)
