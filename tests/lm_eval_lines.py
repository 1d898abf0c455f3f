"""Command lines of lm-evaluation-harness as people write them, and what `from-lm-eval` makes of each."""

from __future__ import annotations

from typing import Any

GPT2 = "lm_eval --model hf --model_args pretrained=gpt2 --tasks hellaswag"

# A command line, and what stands at some places of its run file (None: nothing).
TRANSLATED: list[tuple[str, dict[str, Any]]] = [
    (
        "lm_eval --model hf --model_args pretrained=EleutherAI/gpt-j-6B --tasks hellaswag --device cuda:0 --batch_size 8",
        {
            "step1.model": "EleutherAI/gpt-j-6B",
            "step1.tasks": ["lm_eval:hellaswag"],
            "step1.engine.device": "cuda:0",
            "step1.engine.max_batch_size": 8,
            "step1.engine.use_model_generation_config": True,
            "step1.apply_chat_template": False,
            "step1.trust_task_code": True,
            "output_dir": "output/run",
        },
    ),
    (
        "lm-eval run --model hf --model_args pretrained=EleutherAI/pythia-160m,revision=step100000,dtype=float"
        " --tasks lambada_openai,hellaswag --device cuda:0 --batch_size auto:4",
        {
            "step1.model": {"path": "EleutherAI/pythia-160m", "revision": "step100000"},
            "step1.engine.dtype": "float32",
            "step1.engine.max_batch_size": None,
            "step1.tasks": ["lm_eval:lambada_openai", "lm_eval:hellaswag"],
        },
    ),
    (
        "accelerate launch --multi_gpu --num_processes 4 --main_process_port 29500 -m lm_eval --model hf --model_args"
        " pretrained=gpt2 --tasks a b,c --batch_size auto --max_batch_size 32 --device cuda:0",
        {
            "step1.engine.replicas": 4,
            "step1.engine.device": None,
            "step1.engine.max_batch_size": 32,
            "step1.tasks": ["lm_eval:a", "lm_eval:b", "lm_eval:c"],
        },
    ),
    (
        "accelerate launch -m lm_eval --model hf --model_args pretrained=gpt2 --tasks lambada_openai,arc_easy",
        {"step1.engine.replicas": None},
    ),
    (
        "torchrun --nproc-per-node=2 -m lm_eval --model hf --model_args pretrained=gpt2 --tasks x",
        {"step1.engine.replicas": 2},
    ),
    (
        "python -m lm_eval --model hf --model_args pretrained=EleutherAI/gpt-j-6b,parallelize=True,load_in_4bit=True,"
        "peft=nomic-ai/gpt4all-j-lora --tasks openbookqa,arc_easy",
        {
            "step1.engine.device_map": "auto",
            "step1.engine.quantization": {"method": "bitsandbytes", "load_in_4bit": True},
            "step1.adapters": [{"path": "nomic-ai/gpt4all-j-lora", "tokenizer": "base"}],
        },
    ),
    (
        "lm_eval --model hf --model_args pretrained=Ejafa/llama_7B,delta=lmsys/vicuna-7b-delta-v1.1,backend=causal"
        " --tasks hellaswag",
        {
            "step1.model": {"path": "Ejafa/llama_7B", "delta": "lmsys/vicuna-7b-delta-v1.1"},
            "step1.engine.architecture": "causal",
        },
    ),
    (
        "lm_eval --model huggingface --model_args pretrained=t5-small,tokenizer=other,trust_remote_code=True,"
        "softmax_dtype=float32,truncation=False,use_fast_tokenizer=True --tasks x --trust_remote_code",
        {
            "step1.model": {"path": "t5-small", "tokenizer": "other"},
            "step1.engine.trust_remote_code": True,
        },
    ),
    (
        "CUDA_VISIBLE_DEVICES=0 TOKENIZERS_PARALLELISM=false HF_DATASETS_IN_MEMORY_MAX_SIZE=23400000 lm_eval --model hf"
        " --model_args pretrained=mistralai/Mistral-7B-v0.1,dtype=bfloat16,max_length=11500,add_bos_token=True,"
        "attn_implementation=flash_attention_2 --device cuda --output_path=./results/Mistral --batch_size=1"
        " --tasks rummlu,mamuramu --num_fewshot=5 --log_samples --seed 1234 --predict_only --verbosity ERROR",
        {
            "predict_only": True,
            "seed": None,
            "step1.python_seed": 1234,
            "step1.numpy_seed": None,
            "step1.num_fewshot": 5,
            "step1.engine.dtype": "bfloat16",
            "step1.engine.max_length": 11500,
            "step1.engine.add_bos_token": True,
            "step1.engine.attn_implementation": "flash_attention_2",
            "step4.lm_eval_layout": "./results/Mistral",
            "step4.lm_eval_samples": True,
        },
    ),
    (
        f"{GPT2} --apply_chat_template --system_instruction 'Answer: \"yes\" # or no\nПривет' --num_fewshot 0",
        {
            "step1.apply_chat_template": True,
            "step1.fewshot_as_multiturn": True,
            "step1.system_instruction": 'Answer: "yes" # or no\nПривет',
            "step1.num_fewshot": 0,
        },
    ),
    (
        f"{GPT2} --apply_chat_template tool_use --fewshot_as_multiturn false",
        {"step1.apply_chat_template": "tool_use", "step1.fewshot_as_multiturn": False},
    ),
    (f"{GPT2} --apply_chat_template True", {"step1.apply_chat_template": True}),
    (
        f'{GPT2} --gen_kwargs temperature=0.8 top_p=0.95 \'until=["\\n\\n","Q:"]\' max_gen_toks=64 top_k=20',
        {
            "step1.generation_override": {
                "temperature": 0.8,
                "top_p": 0.95,
                "until": ["\n\n", "Q:"],
                "max_gen_toks": 64,
                "top_k": 20,
            }
        },
    ),
    (f"{GPT2} --gen_kwargs do_sample=False,temperature=1e-3", {"step1.generation_override.temperature": 0.001}),
    (f"{GPT2} --limit 10", {"step1.limit": 10}),
    (f"{GPT2} -L 0.05 -f 3 -w -b 2", {"step1.limit": 0.05, "step1.num_fewshot": 3, "step1.write_out": True}),
    (
        f"{GPT2} --show_config --task extra",
        {"step1.show_config": True, "step1.tasks": ["lm_eval:hellaswag", "lm_eval:extra"]},
    ),
    (
        f'{GPT2} --samples \'{{"hellaswag": [0, 5], "x": [1]}}\'',
        {"step1.samples": {"hellaswag": [0, 5], "x": [1]}},
    ),
    (
        f"{GPT2} --seed 1,2,None,4",
        {"step1.python_seed": 1, "step1.numpy_seed": 2, "seed": 1234, "step1.fewshot_seed": 4},
    ),
    (f"{GPT2} --use_cache db --cache_requests refresh --check_integrity --wandb_args ''", {"step4": {}}),
    (
        'lm_eval --model hf --model_args \'{"pretrained": "m", "dtype": "auto"}\' --tasks \'mmlu_*\' longbench'
        " --metadata max_seq_lengths=[4096,8192] tokenizer=other",
        {
            "step1.tasks": ["lm_eval:mmlu_*", "lm_eval:longbench"],
            "step1.metadata": {"pretrained": "m", "tokenizer": "other", "max_seq_lengths": [4096, 8192]},
            "step1.engine.dtype": None,
        },
    ),
    (
        "lm_eval --model_args pretrained=m,max_length=8192 --tasks niah_single_1",
        {"step1.metadata": {"pretrained": "m"}},
    ),
    (f"{GPT2} --output_path out/x.json", {"step4.lm_eval_layout": "out"}),
    (f"{GPT2} --predict_only --confirm_run_unsafe_code --output_path o", {"predict_only": True}),
    ("--tasks x --model_args pretrained=no", {"step1.model": "no", "step1.tasks": ["lm_eval:x"]}),
    (f"{GPT2} --device cpu --model_args pretrained=m,parallelize=False", {"step1.engine.device": "cpu"}),
]

# A command line, and a part of each problem in it: all are said at once.
REFUSED: list[tuple[str, list[str]]] = [
    (
        "lm_eval --model vllm --model_args pretrained=m,tensor_parallel_size=4,dtype=auto,gpu_memory_utilization=0.8,"
        "data_parallel_size=2 --tasks lambada_openai --batch_size auto",
        [
            "--model vllm: vLLM is not among the engines; give --model hf",
            "tensor_parallel_size=4: there is no tensor or pipeline parallelism; give parallelize=True",
            "gpu_memory_utilization=0.8: ",
            "data_parallel_size=2: ",
        ],
    ),
    (
        "lm_eval --model local-completions --tasks gsm8k --model_args model=facebook/opt-125m,base_url=http://x/v1/"
        "completions,num_concurrent=1,max_retries=3,tokenized_requests=False,batch_size=16,verify_certificate=False",
        [
            "--model local-completions: models behind an API",
            "model=facebook/opt-125m: ",
            "base_url=http://x/v1/completions: there is no server",
            "num_concurrent=1: ",
            "max_retries=3: ",
            "tokenized_requests=False: ",
            "verify_certificate=False: ",
        ],
    ),
    (
        "lm_eval --model openai-chat-completions --model_args model=gpt-4 --tasks gsm8k",
        ["--model openai-chat-co", "model="],
    ),
    (
        "lm_eval --model mamba_ssm --model_args pretrained=state-spaces/mamba-130m --tasks x",
        ["state-spaces/mamba-130m-hf"],
    ),
    ("lm_eval --model gguf --model_args base_url=http://x --tasks x", ["--model gguf: ", "base_url"]),
    ("lm_eval --model hf-multimodal --model_args pretrained=m,max_images=1 --tasks x", ["no images", "max_images"]),
    (
        f"{GPT2} --wandb_args project=x --hf_hub_log_args hub_results_org=y --trackio_args project=z",
        ["--wandb_args: results are not sent", "--hf_hub_log_args: ", "--trackio_args: "],
    ),
    (
        "lm_eval --model hf --model_args pretrained=m,tp_plan=auto,gguf_file=x,think_end_token=</think>,"
        "enable_thinking=True,softmax_dtype=float16,rope_scaling=2,use_fast_tokenizer=False --tasks x",
        [
            "tp_plan=auto",
            "gguf_file=x",
            "think_end_token",
            "enable_thinking",
            "softmax_dtype",
            "rope_scaling=2",
            "use_fast",
        ],
    ),
    (
        "accelerate launch --num_machines 2 --mixed_precision bf16 --use_fsdp -m lm_eval --model_args pretrained=m --tasks x",
        ["--num_machines 2: ", "--mixed_precision bf16: ", "--use_fsdp: "],
    ),
    (
        "accelerate launch --num_processes 2 -m lm_eval --model_args pretrained=m,parallelize=True --tasks x",
        ["the launcher starts a whole model on each device"],
    ),
    (f"{GPT2} --confirm_run_unsafe_code", ["--confirm_run_unsafe_code: generated code is not executed"]),
    (f"{GPT2} --log_samples", ["--log_samples: lm_eval wants --output_path"]),
    (f"{GPT2} --fewshot_as_multiturn", ["--fewshot_as_multiturn: turns need a chat template"]),
    (f"{GPT2} --samples '{{\"a\": [0]}}' --limit 3", ["--samples: lm_eval takes no --limit"]),
    (f"{GPT2} --apply_chat_template false", ["lm_eval takes 'false' for a template's name"]),
    (f"{GPT2} --gen_kwargs num_beams=4,temprature=1", ["'num_beams'", "'temprature'", "Did you mean temperature?"]),
    (f"{GPT2} --limit 0 --num_fewshot -1 --seed 1,2", ["--limit 0", "--num_fewshot -1", "--seed: one seed"]),
    (
        f"{GPT2} --batch_sizes 3 --device npu:0",
        ["--batch_sizes: lm_eval 0.4.13 has no such flag; did you mean", "cpu, cuda"],
    ),
    (f"{GPT2} --model_args pretrained=m,max_length=long,dtype=int8", ["a whole number", "dtype=int8: weights are"]),
    ("lm_eval --model hf", ["--model_args: no model is named", "--tasks: no task is named"]),
    (f"{GPT2} --model hff", ["--model hff: lm_eval 0.4.13 has no such model type; did you mean hf?"]),
    (f"{GPT2} --metadata token=hf_x", ["--metadata token: secrets come from the environment"]),
    (f"HF_ALLOW_CODE_EVAL=1 {GPT2}", ["HF_ALLOW_CODE_EVAL=1: generated code is not executed"]),
    (f"{GPT2} --include_path gone", ["--include_path gone: there is no such folder"]),
    (f"{GPT2} --config gone.yaml", ["--config gone.yaml: the file cannot be read"]),
]
