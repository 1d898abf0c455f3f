"""Every model argument of lm-evaluation-harness 0.4.13's `hf` models: HFLM's parameters, and what it hands to
`from_pretrained`. Other model types are `models.py`.
"""

from __future__ import annotations

from migration.table import Option, by_name

_TEMPLATE = "the chat template gets no arguments of yours"
_MEMORY = "how much of each device a spread model may fill is left to accelerate"
_PRETRAINED = "an argument of transformers' from_pretrained that has no setting here"

# Parameters of HFLM.
_OWN = [
    Option("pretrained", "supported", "step1.model.path", "a folder or a hub name", setting="step1.model.path"),
    Option(
        "backend",
        "supported",
        "step1.engine.architecture",
        "`causal` or `seq2seq`; by default as the model's config says, as there",
        neutral=("default",),
        setting="step1.engine.architecture",
    ),
    Option(
        "revision",
        "supported",
        "step1.model.revision",
        "of the model; lm_eval looks for it in the repositories of adapter and delta weights too",
        neutral=("main",),
        setting="step1.model.revision",
    ),
    Option(
        "subfolder",
        "refused",
        "give the folder itself as pretrained",
        "a model is a folder or a whole hub repository",
        neutral=("",),
    ),
    Option("tokenizer", "supported", "step1.model.tokenizer", setting="step1.model.tokenizer"),
    Option(
        "truncation",
        "refused",
        "leave it out",
        "a prompt that is too long always loses its beginning, as there without the argument",
        "yes_no",
        neutral=(False,),
    ),
    Option(
        "logits_cache",
        "equivalent",
        "nothing",
        "scoring requests of one context always share its computation",
        "yes_no",
    ),
    Option("max_length", "supported", "step1.engine.max_length", kind="whole", setting="step1.engine.max_length"),
    Option("device", "supported", "step1.engine.device", "as the flag"),
    Option(
        "dtype", "supported", "step1.engine.dtype", "`auto`, `float32`, `bfloat16`, `float16` and their short names"
    ),
    Option(
        "softmax_dtype",
        "refused",
        "leave it out, or give float32",
        "log-softmax is computed in float32 whatever the model's format; there in the model's, unless this is given",
        neutral=("float32", "float"),
    ),
    Option(
        "mixed_precision_dtype",
        "refused",
        "give dtype=bfloat16 or dtype=float16",
        "the model runs in the format of its weights, without autocast",
    ),
    Option("batch_size", "equivalent", "step1.engine.max_batch_size", "as the flag, which wins"),
    Option("max_batch_size", "equivalent", "step1.engine.max_batch_size", "as the flag, which wins", "whole"),
    Option(
        "trust_remote_code",
        "supported",
        "step1.engine.trust_remote_code",
        kind="yes_no",
        setting="step1.engine.trust_remote_code",
    ),
    Option(
        "use_fast_tokenizer",
        "refused",
        "leave it out",
        "the tokenizer is the one that transformers takes by itself",
        "yes_no",
        neutral=(True,),
    ),
    Option(
        "add_bos_token", "supported", "step1.engine.add_bos_token", kind="yes_no", setting="step1.engine.add_bos_token"
    ),
    Option(
        "prefix_token_id",
        "refused",
        "leave it out",
        "before a text without context stands the BOS token, or EOS where there is none, as there without the argument",
        "whole",
    ),
    Option(
        "parallelize",
        "supported",
        "step1.engine.device_map: auto",
        "spreads one model over all devices; not together with several processes",
        "yes_no",
        neutral=(False,),
    ),
    Option("max_memory_per_gpu", "refused", "choose the devices by CUDA_VISIBLE_DEVICES", _MEMORY, "any"),
    Option("max_cpu_memory", "refused", "leave it out", _MEMORY, "any"),
    Option(
        "offload_folder",
        "refused",
        "leave it out, or quantize the model (load_in_8bit=True)",
        "weights are not offloaded to disk",
        neutral=("./offload",),
    ),
    Option(
        "tp_plan", "refused", "give parallelize=True, or several processes", "there is no tensor parallelism", "any"
    ),
    Option(
        "peft",
        "supported",
        "step1.adapters",
        "base and adapter are both evaluated and compared, there the adapter alone; an adapter on the hub is fetched"
        " first: `hf download NAME --local-dir NAME`",
    ),
    Option("delta", "supported", "step1.model.delta", setting="step1.model.delta"),
    Option(
        "autogptq",
        "equivalent",
        "nothing",
        "a GPTQ checkpoint is loaded as its config.json says, by transformers (needs gptqmodel and optimum); a file"
        " name is refused",
        "any",
        neutral=(True, False),
    ),
    Option(
        "gptqmodel",
        "equivalent",
        "nothing",
        "a GPTQ checkpoint is loaded as its config.json says, by transformers (needs gptqmodel and optimum)",
        "yes_no",
    ),
    Option(
        "gguf_file", "refused", "convert the model to safetensors", "models are read from safetensors or PyTorch files"
    ),
    Option(
        "think_end_token",
        "refused",
        "cut the reasoning off by a regex filter: step2.filters",
        "responses are kept whole, with their reasoning",
        "any",
    ),
    Option(
        "enable_thinking",
        "refused",
        "copy the tokenizer's template to a file, set the value in it, and give it as step1.chat_template",
        _TEMPLATE,
        "yes_no",
    ),
    Option(
        "chat_template_args",
        "refused",
        "copy the tokenizer's template to a file, set the values in it, and give it as step1.chat_template",
        _TEMPLATE,
        "any",
        neutral=({},),
    ),
]

# What HFLM hands on to `from_pretrained`, as people use it.
_HANDED_ON = [
    Option(
        "attn_implementation",
        "supported",
        "step1.engine.attn_implementation",
        setting="step1.engine.attn_implementation",
    ),
    Option("device_map", "supported", "step1.engine.device_map", kind="any", setting="step1.engine.device_map"),
    Option("torch_dtype", "supported", "step1.engine.dtype", "the older name of dtype"),
    Option(
        "load_in_8bit",
        "supported",
        "step1.engine.quantization",
        "{method: bitsandbytes, load_in_8bit: true}",
        "yes_no",
        neutral=(False,),
    ),
    Option(
        "load_in_4bit",
        "supported",
        "step1.engine.quantization",
        "{method: bitsandbytes, load_in_4bit: true}",
        "yes_no",
        neutral=(False,),
    ),
    Option("bnb_4bit_compute_dtype", "supported", "step1.engine.quantization", "with load_in_4bit"),
    Option("bnb_4bit_quant_type", "supported", "step1.engine.quantization", "with load_in_4bit"),
    Option("bnb_4bit_use_double_quant", "supported", "step1.engine.quantization", "with load_in_4bit", "yes_no"),
    Option(
        "quantization_config",
        "refused",
        "write step1.engine.quantization: {method: …}",
        "lm_eval itself fails on it, for it gives the argument twice",
        "any",
    ),
    Option(
        "low_cpu_mem_usage", "equivalent", "nothing", "transformers always loads so by now", "yes_no", neutral=(True,)
    ),
    Option("use_safetensors", "refused", "leave it out", _PRETRAINED, "yes_no", neutral=(True,)),
    Option("variant", "refused", "give a folder that holds those files alone", _PRETRAINED),
    Option("cache_dir", "refused", "set HF_HUB_CACHE", _PRETRAINED),
    Option("token", "refused", "set HF_TOKEN", "secrets come from the environment and are written nowhere", "any"),
    Option("local_files_only", "refused", "set HF_HUB_OFFLINE=1", _PRETRAINED, "yes_no", neutral=(False,)),
    Option(
        "device_map_option",
        "refused",
        "give device_map, or parallelize=True",
        "lm_eval 0.4.13 has it no longer",
    ),
]
HF_ARGUMENTS = by_name([*_OWN, *_HANDED_ON])
UNKNOWN_ARGUMENT = f"{_PRETRAINED}, or none at all"
