"""The demo's LoRA: additions to thirty learnt on top of the base, saved at several optimizer steps as trainers do."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from demo.corpus import adapter_texts
from demo.train import Schedule, seed_everything, train

RANK = 16
ALL_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def make_checkpoints(
    base: Path, folder: Path, schedule: Schedule, save_steps: Sequence[int], after: Callable[[int, float], None]
) -> None:
    """Train the LoRA and write `folder`/checkpoint-<step> at each of `save_steps`."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    seed_everything(schedule.seed)
    lora = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=ALL_LINEAR, task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), lora)
    history: list[dict[str, float]] = []

    def saving(step: int, loss: float) -> None:
        after(step, loss)
        if step in save_steps:
            history.append({"loss": round(loss, 4), "learning_rate": schedule.rate(step - 1), "step": step})
            checkpoint = folder / f"checkpoint-{step}"
            model.save_pretrained(str(checkpoint))
            _write_state(checkpoint, step, schedule.steps, history)

    train(model, tokenizer, adapter_texts(), schedule, saving)


def _write_state(checkpoint: Path, step: int, steps: int, history: Sequence[dict[str, float]]) -> None:
    """The part of a trainer's trainer_state.json that says how far training was."""
    state = {"global_step": step, "max_steps": steps, "log_history": list(history)}
    (checkpoint / "trainer_state.json").write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
