"""Few-shot samplers of a task's own, subclasses of lm_eval's `ContextSampler`: equal prompts here and there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.task import PromptSettings
from tests.parity.test_lm_eval_prompts import ours, reference
from tests.project import write_lines

pytest.importorskip("lm_eval", reason="the reference is lm_eval")

CODE = """
from lm_eval.api.samplers import ContextSampler


class ByKind(ContextSampler):
    def sample(self, n, eval_doc=None, df=None, **kwargs):
        drawn = self.rnd.sample(self.fewshot_docs(), len(self.df))
        wanted = eval_doc["kind"] if eval_doc else 1
        return sorted(drawn, key=lambda document: document["kind"] != wanted)[:n]


class Counting(ContextSampler):
    asked = 0

    def sample(self, n, eval_doc=None, df=None, **kwargs):
        self.asked += 1
        return super().sample(n, eval_doc)[: n - 1] + [self.df[self.asked % len(self.df)]]
"""
TASK = """\
task: sampled
dataset_path: json
output_type: generate_until
test_split: test
fewshot_split: SPLIT
doc_to_text: "{{q}}"
doc_to_target: a
num_fewshot: 3
fewshot_config: {sampler: !function own.SAMPLER}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""


@pytest.mark.parametrize("sampler", ["ByKind", "Counting"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_prompts_are_equal(tmp_path: Path, sampler: str, split: str) -> None:
    from lm_eval.tasks._yaml_loader import load_yaml

    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "own.py").write_text(CODE)
    (folder / "sampled.yaml").write_text(TASK.replace("SPLIT", split).replace("SAMPLER", sampler))
    files = {name: str(tmp_path / f"{name}.jsonl") for name in ("train", "test")}
    for name, file in files.items():
        write_lines(Path(file), [{"q": f"{name} {n}?", "a": str(n), "kind": n % 2} for n in range(9)])
    settings = PromptSettings(fewshot_seed=77)
    expected = reference(load_yaml(folder / "sampled.yaml"), settings, files, tmp_path / "cache")
    found, _ = ours("sampled", settings, files, folder)
    assert found == expected
    assert len({prompt for (prompt,) in found}) == 9
