"""Which tasks are compared, and under which settings of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MAX_TOKENS = 24  # of a generated answer: enough for an extraction to find something
OWN_TASKS = Path(__file__).parent / "tasks"


@dataclass(frozen=True)
class Suite:
    """Tasks that are run together. `families` are folders of lm_eval's tasks in which the names stand."""

    tasks: tuple[str, ...]
    families: tuple[str, ...] = ()
    limit: int = 5
    samples: dict[str, list[int]] | None = None
    num_fewshot: int | None = None
    chat: bool = False
    multiturn: bool = False
    system_instruction: str | None = None

    @property
    def folders(self) -> list[Path]:
        import lm_eval

        harness = Path(lm_eval.__path__[0]) / "tasks"
        return [harness / family for family in self.families]


SUITES = {
    "plain": Suite(
        (
            "mmlu_anatomy",
            "mmlu_flan_cot_fewshot_anatomy",
            "mmlu_flan_cot_zeroshot_anatomy",
            "mmlu_anatomy_generative",
            "cmmlu_arts",
            "ceval-valid_logic",
            "gsm8k_cot",
            "gsm8k_cot_zeroshot",
            "gsm8k_cot_llama",
            "mgsm_direct_zh",
            "mgsm_en_cot_ru",
            "mgsm_native_cot_ja",
            "bbh_fewshot_snarks",
            "bbh_cot_fewshot_navigate",
            "arc_easy",
            "lambada_openai",
            "openbookqa",
            "sciq",
            "piqa",
            "asdiv",
        ),
        ("mmlu", "cmmlu", "ceval", "gsm8k", "mgsm", "bbh", "arc", "lambada", "openbookqa", "sciq", "piqa", "asdiv"),
    ),
}
