"""Small models, tokenizers and LoRA adapters made on the spot, for every test that needs a real model.

Weights are random but wide enough that the best token stands clear of the second: greedy texts do not depend on the
order of floating-point sums. Nothing is downloaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

Kind = Literal["llama", "gpt2", "qwen2", "t5"]

CORPUS = (
    "The quick brown fox jumps over the lazy dog. She sells sea shells by the sea shore.",
    "Question: What is 2 + 3? Answer: 5. Question: What is 17 + 25? Answer: 42.",
    "A, B, C and D are the choices. The answer is (A). The answer is (B). The answer is C. Answer: D",
    "The cats that the dog chases run away. The cat that the dogs chase runs away quickly.",
    "Janet has 16 eggs and eats 3 of them for breakfast. How many eggs does she have left? #### 13",
    "下列关于细胞的说法中，正确的是哪一项？答案是A。以下是中国关于历史的单项选择题，请选出正确答案。",
    "今天天气很好，我们一起去公园散步吧。你叫什么名字？我是一名医生，在北京的医院工作。",
    "Какой сегодня день? Ответ: четверг. Кошка сидит на окне и смотрит на улицу.",
    "def add(a, b):\n    return a + b\n\nprint(add(1, 2))\n",
)

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>")
_TARGETS = {
    "llama": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "qwen2": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "gpt2": ["c_attn", "c_proj", "c_fc"],
    "t5": ["q", "k", "v", "o", "wi", "wo"],
}


def make_tokenizer(
    folder: Path, *, chat_template: bool = True, adds_bos: bool = True, adds_eos: bool = False, vocab_size: int = 800
) -> Path:
    """Write a byte-level BPE tokenizer into `folder`: any text encodes.

    `adds_bos`: encoding puts `<s>` first. `adds_eos`: it puts `</s>` last and there is no BOS, as with T5.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(CORPUS, trainer)
    if adds_eos:
        inner.post_processor = processors.TemplateProcessing(
            single="$A </s>", pair="$A $B </s>", special_tokens=[("</s>", inner.token_to_id("</s>"))]
        )
    elif adds_bos:
        inner.post_processor = processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", inner.token_to_id("<s>"))]
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token=None if adds_eos else "<s>",
        eos_token="</s>",
        pad_token="<pad>",
        clean_up_tokenization_spaces=False,
    )
    if chat_template:
        tokenizer.chat_template = CHAT_TEMPLATE
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    return folder


def add_chat_template(folder: Path, name: str, template: str) -> None:
    """Give the tokenizer in `folder` a further chat template beside its default, as transformers saves several."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    known = tokenizer.chat_template
    tokenizer.chat_template = (known if isinstance(known, dict) else {"default": known}) | {name: template}
    tokenizer.save_pretrained(folder)


def make_base(
    folder: Path,
    kind: Kind = "llama",
    *,
    hidden: int = 64,
    layers: int = 2,
    decoder_layers: int = 3,
    seed: int = 0,
    dtype: str = "float32",
    chat_template: bool = True,
    adds_bos: bool = True,
    max_position_embeddings: int = 2048,
    vocab_size: int = 800,
) -> Path:
    """Write a random model with its tokenizer into `folder` and give the folder back.

    `layers` are those of T5's encoder, `decoder_layers` those of its decoder; other shapes have no such.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    seq2seq = kind == "t5"
    make_tokenizer(folder, chat_template=chat_template, adds_bos=adds_bos, adds_eos=seq2seq, vocab_size=vocab_size)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = _config(kind, len(tokenizer), hidden, (layers, decoder_layers), max_position_embeddings, tokenizer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = (AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM).from_config(config)
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and "norm" not in name:
                torch.nn.init.normal_(parameter, std=0.25)
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    if not seq2seq:  # whose own class would want a SentencePiece model
        AutoTokenizer.from_pretrained(folder).save_pretrained(folder)  # as the architecture's own class writes it
    return folder


def _config(kind: Kind, vocab_size: int, hidden: int, depth: tuple[int, int], positions: int, tokenizer: Any) -> Any:
    from transformers import GPT2Config, LlamaConfig, Qwen2Config, T5Config

    layers, decoder_layers = depth
    ids = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": False,
    }
    if kind == "gpt2":
        return GPT2Config(vocab_size=vocab_size, n_embd=hidden, n_layer=layers, n_head=4, n_positions=positions, **ids)
    if kind == "t5":
        return T5Config(
            vocab_size=vocab_size,
            d_model=hidden,
            d_kv=hidden // 4,
            d_ff=2 * hidden,
            num_layers=layers,
            num_decoder_layers=decoder_layers,
            num_heads=4,
            n_positions=positions,
            decoder_start_token_id=tokenizer.pad_token_id,
            **ids,
        )
    return {"llama": LlamaConfig, "qwen2": Qwen2Config}[kind](
        vocab_size=vocab_size,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        **ids,
    )


def make_adapter(
    base_folder: Path,
    folder: Path,
    *,
    rank: int = 4,
    seed: int = 1,
    scale: float = 0.05,
    step: int | None = 100,
    tokenizer: bool = False,
    optimizer: bool = False,
    **lora: Any,
) -> Path:
    """Write a LoRA of `base_folder` in PEFT's layout. `scale` is the deviation of B; 0 leaves the adapter inert.

    `step` goes into trainer_state.json; `tokenizer` copies the base's tokenizer beside it, as LLaMA-Factory does;
    `lora` are further arguments of peft's LoraConfig.
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    kind = AutoConfig.from_pretrained(base_folder).model_type
    task = "SEQ_2_SEQ_LM" if kind == "t5" else "CAUSAL_LM"
    model = (AutoModelForSeq2SeqLM if kind == "t5" else AutoModelForCausalLM).from_pretrained(base_folder)
    settings = {"target_modules": _TARGETS[kind], "lora_alpha": 2 * rank, "fan_in_fan_out": kind == "gpt2", **lora}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        adapted = get_peft_model(model, LoraConfig(r=rank, task_type=task, **settings))
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=scale)
    adapted.save_pretrained(folder)
    if step is not None:
        (folder / "trainer_state.json").write_text(json.dumps({"global_step": step}), encoding="utf-8")
    if tokenizer:
        AutoTokenizer.from_pretrained(base_folder).save_pretrained(folder)
    if optimizer:
        (folder / "optimizer.pt").write_bytes(b"moments")
    return folder
