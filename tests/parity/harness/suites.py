"""Which tasks are compared, and under which settings of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MAX_TOKENS = 24  # of a generated answer: enough for an extraction to find something
OWN_TASKS = Path(__file__).parent / "tasks"


@dataclass(frozen=True)
class Suite:
    """Tasks that are run together: lm_eval's own, and those of `OWN_TASKS`, whose names begin with `parity`.

    `samples` are chosen documents, which are to be as in a run of the first `limit`.
    """

    tasks: tuple[str, ...]
    limit: float = 5
    samples: dict[str, list[int]] | None = None
    num_fewshot: int | None = None
    chat: bool = False
    multiturn: bool = False
    system_instruction: str | None = None


_CHOICES = (
    "arc_easy",
    "blimp_causative",
    "boolq",
    "cb",
    "ceval-valid_logic",
    "cmmlu_arts",
    "cola",
    "commonsense_qa",
    "hellaswag",
    "ja_leaderboard_jcommonsenseqa",
    "logiqa",
    "mmlu_anatomy",
    "mmlu_anatomy_continuation",
    "mrpc",
    "multirc",
    "openbookqa",
    "piqa",
    "race",
    "sciq",
    "truthfulqa_mc1",
    "truthfulqa_mc2",
    "webqs",
    "winogrande",
    "xcopa_it",
    "xcopa_zh",
)
_LIKELIHOODS = ("asdiv", "lambada_openai", "wikitext")
_GENERATED = (
    "asdiv_cot_llama",
    "bbh_cot_fewshot_navigate",
    "bbh_cot_zeroshot_date_understanding",
    "bbh_fewshot_snarks",
    "bbh_zeroshot_object_counting",
    "coqa",
    "cycle_letters",
    "drop",
    "gsm8k",
    "gsm8k_cot",
    "gsm8k_cot_llama",
    "gsm8k_cot_zeroshot",
    "ifeval",
    "mgsm_direct_en",
    "mgsm_direct_zh",
    "mgsm_en_cot_ru",
    "mgsm_native_cot_ja",
    "mmlu_anatomy_generative",
    "mmlu_flan_cot_fewshot_anatomy",
    "mmlu_flan_cot_zeroshot_anatomy",
    "nq_open",
    "triviaqa",
)
_CODED = (
    "agieval_sat_math",
    "babi",
    "belebele_eng_Latn",
    "bigbench_emoji_movie_multiple_choice",
    "crows_pairs_english",
    "ethics_utilitarianism",
    "kobest_hellaswag",
    "mmlu_pro_biology",
    "mutual",
    "qasper_freeform",
    "squad_completion",
    "truthfulqa_gen",
)
_OWN = (
    "parity_all_choice_metrics",
    "parity_answer_likelihood",
    "parity_choices_scored_by_code",
    "parity_first_choice",
    "parity_made_documents",
    "parity_majority",
    "parity_overlap_metrics",
    "parity_own_filter_and_metric",
    "parity_paired_choice_metrics",
    "parity_prefixed_answer",
    "parity_prefixed_choices",
    "parity_scored_by_code",
    "parity_several_right_answers",
    "parity_several_right_choices",
    "parity_text_likelihood",
    "parity_untold_answer",
)

SUITES = {
    "as they are": Suite((*_CHOICES, *_LIKELIHOODS, *_GENERATED, *_CODED, *_OWN)),
    "groups": Suite(("parity_group", "mmlu"), limit=2),
    "three shots": Suite(
        (
            "arc_easy", "asdiv", "boolq", "coqa", "hellaswag", "ja_leaderboard_jcommonsenseqa",
            "mgsm_native_cot_zh", "mmlu_anatomy", "multirc", "nq_open", "piqa", "triviaqa", "winogrande",
        ),
        num_fewshot=3,
    ),
    "chosen documents": Suite(
        ("gsm8k", "ja_leaderboard_jcommonsenseqa", "bbh_fewshot_snarks"),
        limit=8,
        samples={"gsm8k": [1, 4], "ja_leaderboard_jcommonsenseqa": [0, 6, 7], "bbh_fewshot_snarks": [3]},
    ),
    "a share, instructed": Suite(("gsm8k", "mmlu_anatomy", "coqa"), limit=0.3, system_instruction="Think first."),
    "chat": Suite(
        ("gsm8k", "bbh_cot_fewshot_navigate", "mmlu_flan_cot_fewshot_anatomy", "ceval-valid_logic", "piqa", "mgsm_direct_ru",
         "lambada_openai", "parity_prefixed_answer", "parity_prefixed_choices", "parity_several_right_answers"),
        chat=True,
    ),
    "chat in turns": Suite(
        ("gsm8k", "gsm8k_cot_llama", "mmlu_anatomy", "ja_leaderboard_jcommonsenseqa", "nq_open", "parity_prefixed_answer",
         "parity_prefixed_choices", "parity_several_right_choices"),
        num_fewshot=2,
        chat=True,
        multiturn=True,
        system_instruction="Be brief.",
    ),
}  # fmt: skip
