"""Filters, metrics and standard errors against lm_eval 0.4.13, through its own task objects."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest

import filters  # noqa: F401  # registers them
import metrics  # noqa: F401  # registers them
from filters.registry import build_pipeline
from metrics.registry import Likelihood, MetricInput, find_metric
from stats.estimate import Estimate
from stats.groups import group_mean
from stats.mean import Column

lm_eval = pytest.importorskip("lm_eval")
GSM8K = Path(__file__).parents[3] / "shared" / "data" / "gsm8k" / "example_model_solutions.jsonl"
SOLUTIONS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
STRICT = {"regex_pattern": r"A: (\-?[0-9\.\,]+)"}
FLEXIBLE = {"regex_pattern": r"(-?[$0-9.,]{2,})|(-?[0-9]+)", "group_select": -1}
IGNORE = [",", r"\$", "(?s).*A: ", r"\.$"]


def reference_task(documents, **config):
    """A task object of lm_eval over documents given here."""
    import datasets
    from lm_eval.api.task import ConfigurableTask

    return ConfigurableTask(
        config={
            "task": "reference",
            "custom_dataset": lambda **_: {"test": datasets.Dataset.from_list(documents)},
            "test_split": "test",
            "doc_to_text": "{{question}}",
            **config,
        }
    )


def reference_filter(function, arguments, responses):
    from lm_eval.api.instance import Instance
    from lm_eval.filters import build_filter_ensemble

    ensemble = build_filter_ensemble("one", [(function, arguments), ("take_first", None)])
    instances = [
        Instance(request_type="generate_until", doc={}, arguments=("", {}), idx=number, resps=[response])
        for number, response in enumerate(responses)
    ]
    ensemble.apply(instances)
    return [instance.filtered_resps["one"] for instance in instances]


def filtered(arguments, responses):
    pipeline = build_pipeline([("regex", arguments), ("take_first", {})])
    return [pipeline([response], {}) for response in responses]


def random_texts(count):
    generator = random.Random(5)
    pieces = ["#### ", "A: ", "-", "1", "23", ",", ".", "$", " ", "\n", "answer", "A", "9.5", "٣"]
    return ["".join(generator.choices(pieces, k=generator.randrange(12))) for _ in range(count)]


@pytest.mark.parametrize(
    "arguments",
    [{}, STRICT, FLEXIBLE, {**FLEXIBLE, "group_select": 0, "fallback": ""}, {"regex_pattern": "(1)?(,)?(A)?"}],
)
def test_regex_on_generated_texts(arguments):
    texts = random_texts(2000)
    expected = reference_filter("regex", arguments, texts)
    assert filtered(arguments, texts) == expected
    assert len(set(expected)) > 1


@pytest.mark.skipif(not GSM8K.exists(), reason="the real data are not here")
@pytest.mark.parametrize("arguments", [STRICT, FLEXIBLE])
def test_gsm8k_solutions_filtered_and_scored(arguments):
    records = [json.loads(line) for line in GSM8K.read_text(encoding="utf-8").splitlines()]
    documents = [{"question": record["question"], "answer": record["ground_truth"]} for record in records]
    options = {"ignore_case": True, "ignore_punctuation": False, "regexes_to_ignore": IGNORE}
    task = reference_task(
        documents[:1],
        output_type="generate_until",
        doc_to_target="{{answer}}",
        metric_list=[{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True, **options}],
    )
    for model in SOLUTIONS:
        solutions = [record[model]["solution"] for record in records]
        responses = reference_filter("regex", arguments, solutions)
        expected = [
            float(task.process_results(document, [response])["exact_match"])
            for document, response in zip(documents, responses, strict=True)
        ]
        assert filtered(arguments, solutions) == responses
        rows = [
            MetricInput(response=response, target=document["answer"])
            for document, response in zip(documents, responses, strict=True)
        ]
        values = [value["exact_match"] for value in find_metric("exact_match").function(rows, **options)]
        assert values == expected
        assert 0.2 < sum(values) / len(values) < 0.6
        assert_same_mean(values)


def assert_same_mean(values):
    from lm_eval.api.metrics import mean, mean_stderr

    column = Column()
    column.extend(values, map(str, range(len(values))))
    summary = column.summary()
    assert summary.mean == pytest.approx(mean(values), abs=1e-12)
    assert summary.se == pytest.approx(mean_stderr(values), abs=1e-12)


@pytest.mark.parametrize("ignore_case", [False, True])
@pytest.mark.parametrize("ignore_punctuation", [False, True])
@pytest.mark.parametrize("ignore_numbers", [False, True])
@pytest.mark.parametrize("regexes", [None, ["a", r"\s"], ["A+b", "(?s).*#"]])
def test_exact_match_options(ignore_case, ignore_punctuation, ignore_numbers, regexes):
    from lm_eval.api.metrics import exact_match_hf_evaluate

    options = {
        "ignore_case": ignore_case,
        "ignore_punctuation": ignore_punctuation,
        "ignore_numbers": ignore_numbers,
        "regexes_to_ignore": regexes,
    }
    generator = random.Random(11)
    texts = ["".join(generator.choices("aAb1 #.É", k=generator.randrange(5))) for _ in range(600)]
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    rows = [MetricInput(response=response, target=target) for response, target in pairs]
    values = [value["exact_match"] for value in find_metric("exact_match").function(rows, **options)]
    expected = [
        float(exact_match_hf_evaluate(predictions=[response], references=[target], **options)["exact_match"])
        for response, target in pairs
    ]
    assert values == expected
    assert 0 < sum(values) < len(values)


def test_exact_match_of_several_targets():
    documents = [{"question": "q", "answers": ["a", "B"]}]
    metric = {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}
    task = reference_task(documents, output_type="generate_until", doc_to_target="{{answers}}", metric_list=[metric])
    for response in ("a", "b", "B", ""):
        expected = task.process_results(documents[0], [response])["exact_match"]
        (value,) = find_metric("exact_match").function([MetricInput(response=response, target=["a", "B"])])
        assert value["exact_match"] == expected


def choice_rows(count):
    """Choices of different lengths, in three scripts, with ties and infinities among their log-probabilities."""
    generator = random.Random(2)
    for _ in range(count):
        choices = [
            "".join(generator.choices("ab 中é", k=generator.randrange(1, 9))) + str(n)
            for n in range(generator.randrange(2, 6))
        ]
        logprobs = [float(generator.choice([-1, -2, -3, -math.inf, -generator.random() * 20])) for _ in choices]
        yield choices, logprobs, generator.randrange(len(choices))


@pytest.mark.filterwarnings("ignore:invalid value encountered")  # the reference's softmax of infinities
def test_accuracies_of_choice_tasks():
    rows = list(choice_rows(1500))
    documents = [{"question": "q", "choices": choices, "gold": gold} for choices, _, gold in rows]
    task = reference_task(
        documents[:1],
        output_type="multiple_choice",
        doc_to_choice="{{choices}}",
        doc_to_target="gold",
        metric_list=[
            {"metric": name, "aggregation": "mean", "higher_is_better": True}
            for name in ("acc", "acc_norm", "exact_match")
        ],
    )
    inputs = []
    expected = []
    for document, (choices, logprobs, gold) in zip(documents, rows, strict=True):
        greedy = [number == len(choices) - 1 for number in range(len(choices))]
        expected.append(task.process_results(document, list(zip(logprobs, greedy, strict=True))))
        scores = [Likelihood(logprob, flag, 1) for logprob, flag in zip(logprobs, greedy, strict=True)]
        inputs.append(MetricInput(response=scores, target=gold, choices=choices))
    for name in ("acc", "acc_norm", "exact_match"):
        values = [value[name] for value in find_metric(name).function(inputs)]
        assert values == [row[name] for row in expected]
        assert_same_mean(values)


def test_accuracy_of_a_plain_loglikelihood_task():
    documents = [{"question": "q", "answer": "a"}]
    metric = {"metric": "acc", "aggregation": "mean", "higher_is_better": True}
    task = reference_task(documents, output_type="loglikelihood", doc_to_target="{{answer}}", metric_list=[metric])
    for greedy in (True, False):
        (value,) = find_metric("acc").function([MetricInput(response=[Likelihood(-1.0, greedy, 1)], target="a")])
        assert value["acc"] == task.process_results(documents[0], [(-1.0, greedy)])["acc"]


def test_group_means_and_where_the_errors_differ():
    from lm_eval.api.metrics import aggregate_subtask_metrics, pooled_sample_stderr, unweighted_mean_stderr

    values, sizes, errors = [0.5, 0.75, 0.2], [1000, 250, 40], [0.0158, 0.0274, 0.064]
    members = [Estimate(*row[:2], se=row[2]) for row in zip(values, sizes, errors, strict=True)]
    weighted, plain = group_mean(members), group_mean(members, weight_by_size=False)
    assert weighted.value == pytest.approx(aggregate_subtask_metrics(values, sizes), abs=1e-12)
    assert plain.value == pytest.approx(aggregate_subtask_metrics(values, sizes, weight_by_size=False), abs=1e-12)
    assert plain.se == pytest.approx(unweighted_mean_stderr(errors), abs=1e-12)
    # (n_i - 1) / (N - k) there, n_i / N here: close, and equal for members of one size.
    assert weighted.se == pytest.approx(pooled_sample_stderr(errors, sizes), rel=0.01)
    assert weighted.se != pytest.approx(pooled_sample_stderr(errors, sizes), rel=1e-6)
    alike = [Estimate(value, 100, se=error) for value, error in zip(values, errors, strict=True)]
    assert group_mean(alike).se == pytest.approx(pooled_sample_stderr(errors, [100] * 3), abs=1e-12)
