"""CharacterEval against its published table, llm_evaluation's sample of its files, and a plain rendering of its rules."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from filters.registry import build_pipeline
from metrics.registry import MetricInput
from metrics.reward_model import reward_text
from pipeline.config import Step2Settings, TaskSettings
from pipeline.errors import DataError
from pipeline.fingerprint import FileHashes
from pipeline.rows import GenerationRow, LazyDocument, RequestRecord, encode_row
from reports.character_eval import (
    PUBLISHED,
    dimension_record,
    eval_scores_text,
    generation_record,
    group_average,
    json_array,
)
from steps.step2_postprocess import build, postprocess
from tasks.loader import load_tasks
from tasks.task import PromptSettings

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / ".." / "shared" / "data" / "charactereval"
SAMPLE = ROOT / ".." / "shared" / "data" / "llm_evaluation" / "CharacterEval"
with_data = pytest.mark.skipif(not DATA.exists(), reason="the data are not here")
with_sample = pytest.mark.skipif(not SAMPLE.exists() or not DATA.exists(), reason="the data are not here")

# Tu et al. 2024: KE KA KH PB PU Avg | Flu Coh Cons Avg | HL CS ED Emp Avg of fifteen models.
TABLE = """\
ChatGLM3-6B 2.016 2.792 2.704 2.455 2.812 2.556 | 3.269 3.647 3.283 3.399 | 3.064 2.932 1.969 2.993 2.739
XVERSE-7B 1.834 2.774 2.763 2.564 2.887 2.564 | 3.393 3.752 3.518 3.554 | 3.395 2.743 2.013 2.936 2.772
Baichuan2-7B 1.813 2.849 2.929 2.830 3.081 2.700 | 3.551 3.894 3.827 3.757 | 3.670 2.728 2.115 2.984 2.874
Qwen-7B 1.956 2.728 2.633 2.605 2.780 2.540 | 3.187 3.564 3.229 3.327 | 3.036 2.791 2.052 2.838 2.679
InternLM-7B 1.782 2.800 2.781 2.719 3.016 2.620 | 3.527 3.823 3.744 3.698 | 3.546 2.622 2.070 2.897 2.784
XVERSE-13B 1.977 2.828 2.862 2.579 2.915 2.632 | 3.444 3.811 3.559 3.605 | 3.319 2.939 2.045 3.018 2.830
Baichuan2-13B 1.802 2.869 2.946 2.808 3.081 2.701 | 3.596 3.924 3.864 3.795 | 3.700 2.703 2.136 3.021 2.890
Qwen-14B 1.988 2.800 2.811 2.744 2.900 2.649 | 3.351 3.765 3.510 3.542 | 3.354 2.871 2.237 2.970 2.858
InternLM-20B 1.945 2.916 2.920 2.753 3.041 2.715 | 3.576 3.943 3.717 3.745 | 3.582 2.885 2.132 3.047 2.911
CharacterGLM 1.640 2.819 2.738 2.301 2.969 2.493 | 3.414 3.717 3.737 3.623 | 3.738 2.265 1.966 2.812 2.695
Xingchen 1.636 2.768 2.743 2.772 3.055 2.595 | 3.378 3.807 3.754 3.646 | 3.757 2.272 2.100 2.799 2.732
MiniMax 1.835 2.910 2.944 2.774 3.125 2.718 | 3.609 3.932 3.811 3.784 | 3.768 2.672 2.150 3.017 2.902
BC-NPC-Turbo 1.802 2.964 2.993 2.910 3.151 2.764 | 3.578 3.898 3.916 3.798 | 3.836 2.643 2.336 2.971 2.946
GPT-3.5 1.716 2.339 2.212 1.921 2.316 2.101 | 2.629 2.917 2.700 2.749 | 2.565 2.422 1.660 2.526 2.293
GPT-4 2.250 2.855 2.785 2.721 2.873 2.697 | 3.332 3.669 3.343 3.448 | 3.143 3.184 2.153 3.010 2.873
"""


def the_task(data_dir: Path | str | None = DATA):
    folder = None if data_dir is None else str(data_dir)
    entry = TaskSettings(name="charactereval", data_dir=folder)
    (task,) = load_tasks([entry], [], False, FileHashes()).tasks
    return task


@pytest.fixture(scope="module")
def examples():
    return list(the_task().examples(PromptSettings()))


def original(name: str):
    return json.loads((DATA / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("line", TABLE.splitlines(), ids=lambda line: line.split()[0])
def test_group_averages_are_those_of_the_published_table(line):
    figures = [[float(word) for word in part.split()[-6:] if word[0].isdigit()] for part in line.split("|")]
    averages = [part[-1] for part in figures]
    scores = {
        name: value
        for group, part in zip(PUBLISHED.values(), figures, strict=True)
        for name, value in zip(group, part, strict=False)
    }
    assert len(scores) == 12
    for group, published in zip(PUBLISHED, averages, strict=True):
        assert group_average(scores, group) == pytest.approx(published, abs=0.001)


@with_data
def test_the_task_averages_the_groups_of_the_table():
    groups = the_task().slice_groups["metric_en"]
    assert {name: list(members) for name, members in groups.items() if name != "Overall"} == {
        name: list(members) for name, members in PUBLISHED.items()
    }
    assert list(groups["Overall"]) == [name for members in PUBLISHED.values() for name in members]


def test_without_data_the_message_says_where_to_get_them(tmp_path):
    with pytest.raises(DataError) as caught:
        the_task(None)
    assert "https://github.com/morecry/CharacterEval" in str(caught.value)
    with pytest.raises(DataError, match=r"has no test_data\.jsonl, id2metric\.jsonl, character_profiles\.json"):
        the_task(tmp_path)


@with_data
def test_documents_join_the_three_files(examples):
    documents = [example.document.data for example in examples]
    dimensions = original("id2metric.jsonl")
    assert len(documents) == 4564
    assert sum(len(document["dimensions"]) for document in documents) == 8032
    assert sum(not document["dimensions"] for document in documents) == 33
    assert sum(len(pairs) for pairs in dimensions.values()) == 8032
    assert len({example.document.doc_id for example in examples}) == 4564
    counts = Counter(name for document in documents for name, _ in document["dimensions"])
    assert counts["Exposure"] == 714
    assert counts["Fluency"] == 308
    assert len(counts) == 12


@with_data
def test_dialogues_equal_a_plain_rendering(examples):
    profiles = original("character_profiles.json")
    first = 0
    for example in examples:
        document = example.document.data
        role, lines = document["role"], document["context"].split("\n")
        speakers = [line.split("：")[0] for line in lines]
        texts = ["：".join(line.split("：")[1:]) for line in lines]
        opening = f"好的！现在我来扮演{role}。"
        if speakers[0] == role:
            opening += "我首先发话：" + texts[0]
            first += 1
        expected = [
            ("user", str(profiles[role]) + f"\n现在请你扮演一个角色扮演专家。请你根据上述信息扮演{role}进行对话。\n"),
            ("assistant", opening),
        ]
        for number in range(1, len(lines)):
            if speakers[number] == role:
                expected.append(("user", f"{speakers[number - 1]}：{texts[number - 1]}"))
                expected.append(("assistant", f"{role}：{texts[number]}"))
        expected.append(("user", f"{speakers[-1]}：{texts[-1]}"))
        assert [(turn["role"], turn["content"]) for turn in example.prompt] == expected
        roles = [turn["role"] for turn in example.prompt]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
    assert first == 2077


def generated(example, text: str | None) -> GenerationRow:
    return GenerationRow(
        model="base",
        task="charactereval",
        doc_id=example.document.doc_id,
        index=example.document.index,
        document=example.document.data,
        prompt=example.prompt,
        prompt_hash="0" * 16,
        target="",
        requests=[RequestRecord(type="generate_until", text=text)],
    )


def step2(task, rows) -> list[dict]:
    """The rows of step 2 by its own code."""
    spec = postprocess(Step2Settings(output_dir="unused")).spec(task, None)
    spec = json.loads(json.dumps(spec)) | {"model": "base", "source": "rows", "remake": "step1"}
    done = build(spec)((1, [encode_row(row) for row in rows]))
    assert done.counts["documents"] == len(rows)
    return [json.loads(line) for line in done.lines.splitlines()]


@with_sample
def test_step_2_reproduces_the_sample_and_the_files_read_as_the_originals(examples):
    sample = json.loads((SAMPLE / "step1_generation.jsonl").read_text(encoding="utf-8"))
    by_id = {example.document.data["id"]: example for example in examples}
    rows = [generated(by_id[record["id"]], record["model_output"]) for record in sample]
    found = step2(the_task(), rows)
    records = [dimension_record(row["document"], row["filtered"]["first_line"]) for row in found]
    assert [record["metric_en"] for record in records] == ["Accuracy", "Communication_skills", "Accuracy"]
    assert "".join(json_array(records)) == (SAMPLE / "step2_generation_trans.jsonl").read_text(encoding="utf-8")
    generations = [generation_record(row.document, row.requests[0].text) for row in rows]
    assert "".join(json_array(generations)) == (SAMPLE / "step1_generation.jsonl").read_text(encoding="utf-8")
    published = json.loads((SAMPLE / "step3_evaluation.jsonl").read_text(encoding="utf-8"))
    scored = [
        dimension_record(row["document"], row["filtered"]["first_line"], [record[record["metric_en"]]])
        for row, record in zip(found, published, strict=True)
    ]
    assert "".join(json_array(scored)) == (SAMPLE / "step3_evaluation.jsonl").read_text(encoding="utf-8")


@with_sample
def test_step_4s_file_reads_as_the_originals(examples):
    text = (SAMPLE / "step4_eval_scores.jsonl").read_text(encoding="utf-8")
    published = {name.strip(): float(value) for name, _, value in (line.partition(":") for line in text.splitlines())}
    assert eval_scores_text(published) == text
    order = dict.fromkeys(name for example in examples for name, _ in example.document.data["dimensions"])
    assert list(order) == list(published)  # rows first name the dimensions in this order


@with_data
def test_failures_and_examples_without_dimensions(examples):
    answers = [None, "ERROR", "\nbehind a break", " one \r\ntwo", "ERROR "]
    chosen = [example for example in examples if len(example.document.data["dimensions"]) == 2][: len(answers)]
    bare = next(example for example in examples if not example.document.data["dimensions"])
    rows = [generated(example, text) for example, text in zip(chosen, answers, strict=True)]
    rows[0].requests[0].error = None
    found = step2(the_task(), [*rows, generated(bare, "an answer")])
    assert [row["status"] for row in found] == ["error"] * 4 + ["ok"] * 6
    assert [row["filtered"].get("first_line") for row in found[4::2]] == ["", " one \r", "ERROR "]
    assert all(row["error"]["type"] == "NoAnswer" for row in found[:4])
    assert [row["expansion"] for row in found[:2]] == [name for name, _ in chosen[0].document.data["dimensions"]]
    assert [row["doc_id"] for row in found[4:6]] == [chosen[2].document.doc_id] * 2
    assert set(found[4]["document"]) == {
        "id", "role", "novel_name", "context", "profile", "metric_en", "metric_zh"
    }  # fmt: skip


@with_data
def test_the_reward_models_text_equals_a_plain_rendering(examples):
    """For 200 examples, byte for byte; the answers hold what a template or a filter might trip over."""
    task = the_task()
    (metric,) = task.metrics
    assert metric.arguments["scale"] == {"multiply": 4, "add": 1}
    assert metric.arguments["max_length"] == 4096
    profiles = original("character_profiles.json")
    pipeline = build_pipeline([(step.name, step.arguments) for step in task.filters[0].steps])
    answers = ["（笑）好。\n再见", "{{ role }} {% raw %}", "a\tb  ", "\n", "'引号'\"<Context>\"\\n"]
    scored = [example for example in examples if example.document.data["dimensions"]]
    chosen = scored[::22][:200]
    assert len(chosen) == 200
    for number, example in enumerate(chosen):
        answer = answers[number % len(answers)]
        row, *_ = step2(task, [generated(example, answer)])
        record = original_record(example, answer)
        expected = (
            "<RoleInfo>\n\n"
            + str(profiles[record["role"]])
            + "\n\n<Context>\n\n"
            + record["context"]
            + "\n\n<Response>\n\n"
            + record["model_output"]
            + "\n\n<Dimension>\n\n"
            + example.document.data["dimensions"][0][1]
        )
        raw = msgspec.Raw(msgspec.json.encode(row["document"]))
        seen = MetricInput(response=pipeline([answer], {}), target="", document=LazyDocument(raw))
        assert reward_text(seen, metric.arguments["template"]).encode() == expected.encode()


def original_record(example, answer: str) -> dict[str, str]:
    return {**example.document.data, "model_output": answer.split("\n")[0]}
