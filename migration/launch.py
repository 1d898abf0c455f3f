"""What stands before `lm_eval` on a command line: environment variables, and the options of accelerate and torchrun.

Rows as in `flags.py`.
"""

from __future__ import annotations

import re

from migration.table import Option, by_name

# Passed on to the command: what reads them there reads them here.
_LIBRARIES = "transformers, huggingface_hub and datasets read it, as there"
ENVIRONMENT = by_name(
    [
        Option("CUDA_VISIBLE_DEVICES", "supported", "the same", "which devices there are"),
        Option("HF_HOME", "supported", "the same", _LIBRARIES),
        Option("HF_HUB_CACHE", "supported", "the same", _LIBRARIES),
        Option("HF_DATASETS_CACHE", "supported", "the same", _LIBRARIES),
        Option("HF_TOKEN", "supported", "the same", "a secret: set it in the shell, it is printed nowhere"),
        Option("HF_TOKEN_PATH", "supported", "the same", _LIBRARIES),
        Option("HF_ENDPOINT", "supported", "the same", _LIBRARIES),
        Option("HF_HUB_OFFLINE", "supported", "the same", _LIBRARIES),
        Option("HF_DATASETS_OFFLINE", "supported", "the same", _LIBRARIES),
        Option("TRANSFORMERS_OFFLINE", "supported", "the same", _LIBRARIES),
        Option("HF_DATASETS_IN_MEMORY_MAX_SIZE", "supported", "the same", _LIBRARIES),
        Option(
            "TOKENIZERS_PARALLELISM",
            "supported",
            "the same",
            "lm_eval sets it to false by itself; here it stays as it is set",
        ),
        Option("OMP_NUM_THREADS", "supported", "the same", "step1.engine.threads wins over it"),
        Option("PYTORCH_CUDA_ALLOC_CONF", "supported", "the same", "torch reads it, as there"),
        Option(
            "LMEVAL_LOG_LEVEL",
            "equivalent",
            "--verbose or --quiet after the command",
            "DEBUG is --verbose, WARNING and above --quiet",
        ),
        Option("LM_HARNESS_CACHE_PATH", "equivalent", "memo_dir", "nothing of a cache of prompts is kept here"),
        Option(
            "HF_ALLOW_CODE_EVAL",
            "refused",
            "leave it out where no task is marked unsafe_code, or add --predict_only",
            "generated code is not executed",
            neutral=("0", ""),
        ),
        Option(
            "HF_DATASETS_TRUST_REMOTE_CODE",
            "equivalent",
            "step1.trust_task_code",
            "which is set in any case",
        ),
    ]
)
_SECRET = re.compile(r"(?<![A-Z])(KEY|TOKEN|SECRET|PASSWORD)(?!_PATH|[A-Z])")


def is_secret(variable: str) -> bool:
    """Whether the variable's value must be written nowhere, by its name: HF_TOKEN, WANDB_API_KEY."""
    return _SECRET.search(variable) is not None


# Options of `accelerate launch` and `torchrun`, with underscores.
LAUNCHER_OPTIONS = by_name(
    [
        Option(
            "num_processes",
            "supported",
            "step1.engine.replicas",
            "each process holds the model, as there; without it a comment says where to put the number",
            "whole",
        ),
        Option("nproc_per_node", "supported", "step1.engine.replicas", "torchrun's name for it", "whole"),
        Option("multi_gpu", "equivalent", "step1.engine.replicas", "", "switch"),
        Option("gpu_ids", "equivalent", "CUDA_VISIBLE_DEVICES", "before the command that is printed", neutral=("all",)),
        Option(
            "num_cpu_threads_per_process",
            "equivalent",
            "step1.engine.threads",
            "replicas on one CPU share its cores by themselves",
            "whole",
        ),
        Option("cpu", "supported", "step1.engine.device: cpu", "", "switch"),
        Option("main_process_port", "equivalent", "nothing", "replicas need no port"),
        Option("master_port", "equivalent", "nothing", "replicas need no port"),
        Option("standalone", "equivalent", "nothing", "replicas are on one machine", "switch"),
        Option("quiet", "equivalent", "nothing", "", "switch", "q"),
        Option("module", "equivalent", "nothing", "", "switch", "m"),
        Option("no_python", "equivalent", "nothing", "", "switch"),
        Option(
            "mixed_precision",
            "refused",
            "give dtype=bfloat16 or dtype=float16 in --model_args",
            "the model runs in the format of its weights, without autocast",
            neutral=("no",),
        ),
        Option(
            "num_machines",
            "refused",
            "leave it out",
            "the processes of a run are on one machine",
            "whole",
            neutral=(1,),
        ),
        Option("nnodes", "refused", "leave it out", "the processes of a run are on one machine", neutral=("1",)),
        Option(
            "machine_rank",
            "refused",
            "leave it out",
            "the processes of a run are on one machine",
            "whole",
            neutral=(0,),
        ),
        Option(
            "node_rank", "refused", "leave it out", "the processes of a run are on one machine", "whole", neutral=(0,)
        ),
        Option(
            "config_file",
            "refused",
            "write what it says as options: --num_processes N",
            "settings of a file of accelerate's would go unseen",
        ),
        Option("dynamo_backend", "refused", "leave it out", "models are not compiled", neutral=("no",)),
        Option(
            "use_fsdp", "refused", "give parallelize=True in --model_args", "weights are not sharded by FSDP", "switch"
        ),
        Option(
            "use_deepspeed",
            "refused",
            "give parallelize=True in --model_args",
            "weights are not sharded by DeepSpeed",
            "switch",
        ),
    ]
)
