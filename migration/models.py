"""Every model type of lm-evaluation-harness 0.4.13 (the values of `--model`), with the arguments of its own.

One engine is here, transformers: other types are refused, each argument with what does the same for `hf`.
"""

from __future__ import annotations

from collections.abc import Mapping

from migration.table import ModelType, Option

_NO_SERVER = "there is no server to speak to: the model runs in this process"
_OTHER_ENGINE = "an argument of another engine"
_WEIGHTS = "give --model hf with the weights: pretrained=<folder or hub name>"
_NO_WEIGHTS = "evaluate a model whose weights you have: --model hf"
_PREDICTIONS = f"{_NO_WEIGHTS}; answers that another tool has generated can be scored as `predictions`"


def _rows(names: str, note: str, here: str = "leave it out") -> tuple[Option, ...]:
    return tuple(Option(name, "refused", here, note, "any") for name in names.split())


_PATH = _rows("model path model_id model_path", "the model is named otherwise there", "give pretrained")
_LENGTH = _rows("max_model_len context_length max_input_len seq_length", _OTHER_ENGINE, "give max_length")
_NEW_TOKENS = _rows(
    "max_gen_toks max_tokens_to_sample max_output_len", _OTHER_ENGINE, "give --gen_kwargs max_gen_toks=N"
)
_PARALLEL = _rows(
    "tensor_parallel_size pipeline_model_parallel_size tensor_model_parallel_size expert_model_parallel_size"
    " pipeline_parallel_size tp_size tp_degree num_nodes",
    "there is no tensor or pipeline parallelism",
    "give parallelize=True, which spreads the layers over the devices",
)
_DATA_PARALLEL = _rows(
    "data_parallel_size dp_size devices", _OTHER_ENGINE, "start it by accelerate launch --num_processes N -m lm_eval"
)
_TOKENIZER = _rows(
    "tokenizer_mode tokenizer_revision tokenizer_type tokenizer_backend vocab_file merge_file",
    "the tokenizer is transformers' own",
    "give tokenizer=<folder or hub name>, or leave it out",
)
_TOKENIZER_PATH = _rows("tokenizer_path tokenizer_model", _OTHER_ENGINE, "give tokenizer")
_SEED = _rows("seed", _OTHER_ENGINE, "give --seed")
_SAMPLING = _rows("temperature top_p top_k", _OTHER_ENGINE, "give --gen_kwargs")
_TRUNCATION = _rows("truncate truncation_side", "a prompt that is too long always loses its beginning")
_QUANTIZATION = _rows(
    "quantization",
    _OTHER_ENGINE,
    "leave it out for a checkpoint saved quantized, else give load_in_8bit=True or load_in_4bit=True",
)
_LORA = _rows("lora_local_path", _OTHER_ENGINE, "give peft")
_MEMORY = _rows(
    "gpu_memory_utilization mem_fraction_static swap_space cpu_offload_gb chunked_prefill_size kv_cache_dtype"
    " load_format max_lora_rank max_num_seqs max_num_batched_tokens enforce_eager enable_prefix_caching"
    " enable_chunked_prefill max_beam_width enable_expert_parallel disable_custom_all_reduce",
    _OTHER_ENGINE,
)
_API = _rows(
    "base_url num_concurrent max_retries timeout tokenized_requests verify_certificate ca_cert_path auth_token header"
    " eos_string api_version api_key aiohttp_client_timeout",
    _NO_SERVER,
)
_API_PREFIX = _rows("custom_prefix_token_id", "before a text without context stands BOS, or EOS where there is none")
_IMAGES = _rows(
    "image_token_id image_string interleave max_images convert_img_format min_pixels max_pixels image_width"
    " image_height image_max_side max_audios",
    "models read text alone",
)
_VLLM = (
    *_TOKENIZER[:2],
    *_PARALLEL[:1],
    *_QUANTIZATION,
    *_NEW_TOKENS[:1],
    *_LENGTH[:1],
    *_SEED,
    *_DATA_PARALLEL[:1],
    *_LORA,
    *_TRUNCATION[1:],
    *_MEMORY,
)
_SERVED = (*_PATH[:1], *_API, *_TOKENIZER, *_TRUNCATION[:1], *_NEW_TOKENS[:1], *_SEED, *_API_PREFIX, *_IMAGES)
_ONNX = (*_rows("execution_provider provider_options", _OTHER_ENGINE), *_NEW_TOKENS[:1])
_MEGATRON = _rows(
    "load ckpt_step use_dist_ckpt micro_batch_size extra_args num_layers hidden_size num_attention_heads"
    " ffn_hidden_size num_query_groups precision",
    "a Megatron or NeMo checkpoint cannot be read",
    "convert the checkpoint to transformers' format",
)
_ACCOUNT = _rows("watsonx_credentials deployment_id generate_params engine", _NO_SERVER)

_VLLM_TYPE = ("vLLM is not among the engines", f"{_WEIGHTS}; the same weights give the same answers but for rounding")
_API_TYPE = ("models behind an API are not among the engines", _PREDICTIONS)
_FORMAT = "the format is not among those that are read"
_CONVERT = "convert the model to transformers' format, and give --model hf"
_DEVICE = "the device is not among those that torch here is used on (CPU, CUDA, MPS)"
_TEXT_ONLY = ("models read text alone, no images or sound", "leave the task out, or its model")


def _type(name: str, words: tuple[str, str], arguments: tuple[Option, ...] = ()) -> ModelType:
    return ModelType(name, "refused", words[1], words[0], arguments)


_HF = "step1.engine: {backend: hf}"
_ALL = [
    ModelType("hf", "supported", _HF, "transformers, causal and sequence-to-sequence models"),
    ModelType("hf-auto", "supported", _HF, "the same as hf"),
    ModelType("huggingface", "supported", _HF, "the same as hf"),
    _type("vllm", _VLLM_TYPE, _VLLM),
    _type("vllm-vlm", _TEXT_ONLY, (*_VLLM, *_IMAGES)),
    _type(
        "sglang",
        ("SGLang is not among the engines", _WEIGHTS),
        (*_PARALLEL, *_DATA_PARALLEL, *_LENGTH, *_NEW_TOKENS, *_TOKENIZER, *_TOKENIZER_PATH, *_MEMORY),
    ),
    _type("sglang-generate", _API_TYPE, _SERVED),
    _type(
        "trtllm",
        ("TensorRT-LLM is not among the engines", _WEIGHTS),
        (*_PATH, *_TOKENIZER, *_LENGTH, *_NEW_TOKENS, *_MEMORY, *_PARALLEL, *_SEED, *_TRUNCATION),
    ),
    *(
        _type(name, _API_TYPE, _SERVED)
        for name in (
            "local-completions",
            "local-chat-completions",
            "openai-completions",
            "openai-chat-completions",
            "azure-openai-chat-completions",
            "litellm",
            "litellm-chat",
            "litellm-chat-completions",
            "anthropic-chat",
            "anthropic-chat-completions",
        )
    ),
    _type("anthropic-completions", _API_TYPE, (*_PATH, *_NEW_TOKENS, *_SAMPLING, *_API)),
    _type("textsynth", _API_TYPE, (*_ACCOUNT, *_TRUNCATION)),
    _type("watsonx_llm", _API_TYPE, (*_ACCOUNT, *_PATH)),
    _type("gguf", ("a llama.cpp server is not among the engines", _CONVERT), _API),
    _type("ggml", ("a llama.cpp server is not among the engines", _CONVERT), _API),
    _type(
        "mamba_ssm",
        (
            "the package mamba_ssm is not among the engines",
            "give --model hf with a checkpoint that transformers knows, such as state-spaces/mamba-130m-hf,"
            " and max_length=2048, which mamba_ssm has by default",
        ),
        _rows("is_hf", "a checkpoint that transformers knows needs no word of it"),
    ),
    _type(
        "nemo_lm",
        (_FORMAT, _CONVERT),
        (*_MEGATRON, *_PATH, *_PARALLEL, *_DATA_PARALLEL, *_NEW_TOKENS),
    ),
    _type(
        "megatron_lm",
        (_FORMAT, _CONVERT),
        (*_MEGATRON, *_PARALLEL, *_DATA_PARALLEL, *_NEW_TOKENS, *_LENGTH, *_TOKENIZER, *_TOKENIZER_PATH),
    ),
    _type("hf-multimodal", _TEXT_ONLY, _IMAGES),
    _type("hf-audiolm-qwen", _TEXT_ONLY, _IMAGES),
    _type(
        "hf-mistral3",
        ("Mistral 3's own loading is not built", "give --model hf with a checkpoint that AutoModelForCausalLM loads"),
    ),
    _type(
        "steered",
        ("activations are not steered", "leave steer_path out, and give --model hf for the plain model"),
        _rows("steer_path", "activations are not steered"),
    ),
    _type("onnxruntime", (_FORMAT, _CONVERT), _ONNX),
    _type("onnxruntime-genai", (_FORMAT, _CONVERT), _ONNX),
    _type("winml", (_FORMAT, _CONVERT), _ONNX),
    _type("openvino", (_FORMAT, _CONVERT)),
    _type("ipex", (_DEVICE, "give --model hf with device=cpu"), ()),
    _type("habana", (_DEVICE, "give --model hf on another device"), ()),
    _type("neuronx", (_DEVICE, "give --model hf on another device"), _PARALLEL),
    _type(
        "dummy",
        ("random answers are no evaluation", "give --model hf"),
        _rows("write_out", "it is a flag", "give --write_out"),
    ),
]
MODEL_TYPES: Mapping[str, ModelType] = {one.name: one for one in _ALL}
