"""Row values, figures and standard errors of the harness's metrics against lm_eval 0.4.13's own functions."""

from __future__ import annotations

import math
import random
import warnings

import pytest

import metrics  # noqa: F401  # registers them
from metrics.aggregation import find_aggregation
from metrics.raw_values import aggregate_raw, passed_through, statistic_of
from metrics.registry import FLAGS, Likelihood, MetricInput, find_metric
from stats.mean import Column
from stats.vectors import VectorColumn, as_matrix

reference = pytest.importorskip("lm_eval.api.metrics")
registry = pytest.importorskip("lm_eval.api.registry")

ACCURACIES = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match")
WORDS = ["the", "cat", "sat", "on", "a", "mat", "dog,", "ran.", "3.5", "猫", "在", "垫子", "上", "。", "The", "(mat)"]
# The reference warns where it divides by an empty choice, and where F1 or correlation are of one class.
pytestmark = pytest.mark.filterwarnings("ignore")


def reference_task(document, names, **config):
    """A task object of lm_eval that values documents like `document`."""
    import datasets
    from lm_eval.api.task import ConfigurableTask

    return ConfigurableTask(
        config={
            "task": "reference",
            "custom_dataset": lambda **_: {"test": datasets.Dataset.from_list([document])},
            "test_split": "test",
            "doc_to_text": "{{question}}",
            "metric_list": [{"metric": name} for name in names],
            **config,
        }
    )


def choice_task(names, several=False):
    document = {"question": "q", "choices": ["a", "b"], "gold": [0] if several else 0}
    return reference_task(
        document, names, output_type="multiple_choice", doc_to_choice="{{choices}}", doc_to_target="gold"
    )


def random_choices(count, seed, *, classes=None, several=False, outside=True):
    """(document, conditional scores, unconditional scores): ties, other scripts, empty choices, targets out of range."""
    generator = random.Random(seed)
    for _ in range(count):
        number = classes or generator.randrange(2, 7)
        choices = ["".join(generator.choices("ab 中é", k=generator.randrange(1, 9))) + str(n) for n in range(number)]
        if not classes and generator.random() < 0.1:
            choices[0] = ""
        past = number + (1 if outside else 0)
        gold = generator.sample(range(past), generator.randrange(1, 3)) if several else generator.randrange(past)
        document = {"question": "q", "choices": choices, "gold": gold}
        yield (
            document,
            *(
                [
                    Likelihood(
                        float(generator.choice([-1, -2, -3, -generator.random() * 20])), generator.random() < 0.3, 1
                    )
                    for _ in choices
                ]
                for _ in range(2)
            ),
        )


def as_row(document, scores, alone=None):
    return MetricInput(response=scores, target=document["gold"], choices=document["choices"], unconditional=alone)


def expected_values(task, document, *scores):
    results = [(one.logprob, one.greedy) for part in scores for one in part]
    return task.process_results(document, results)


def valued(name, rows):
    return [value[name] for value in find_metric(name).function(rows)]


def estimated(name, values, clusters=None, aggregation=None):
    output = find_metric(name).outputs[name]
    column = VectorColumn() if output.vector else Column()
    column.extend(values, clusters or map(str, range(len(values))))
    return find_aggregation(aggregation or output.aggregation)(column, maximum=output.maximum)


def test_accuracies_row_by_row():
    rows = list(random_choices(1500, 1))
    task = choice_task(ACCURACIES)
    expected = [expected_values(task, *row) for row in rows]
    inputs = [as_row(*row) for row in rows]
    for name in ACCURACIES:
        values = valued(name, inputs)
        assert values == [row[name] for row in expected]
        assert 0 < sum(values) < len(values)
        estimate = estimated(name, values)
        assert estimate.value == pytest.approx(reference.mean(values), abs=1e-12)
        assert estimate.se == pytest.approx(reference.mean_stderr(values), abs=1e-12)
    flagged = [FLAGS in value for value in find_metric("acc").function(inputs)]
    assert flagged == [document["gold"] >= len(document["choices"]) for document, *_ in rows]
    assert any(flagged)


def test_accuracies_with_several_right_choices():
    rows = list(random_choices(800, 2, several=True))
    names = ("acc", "acc_norm", "acc_bytes", "exact_match")  # acc_mutual_info fails there on a list
    task = choice_task(names, several=True)
    assert task.multiple_target
    expected = [expected_values(task, *row[:2]) for row in rows]
    for name in names:
        assert valued(name, [as_row(*row) for row in rows]) == [row[name] for row in expected]


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_figures_of_classes_and_probabilities(classes):
    names = ["mcc", "brier_score"] + (["f1"] if classes == 2 else [])
    rows = list(random_choices(300, classes, classes=classes, outside=False))
    task = choice_task(names)
    expected = [expected_values(task, *row[:2]) for row in rows]
    for name in names:
        items = [row[name] for row in expected]
        figure = registry.get_metric_aggregation(name)(items)
        estimate = estimated(name, valued(name, [as_row(*row) for row in rows]))
        assert estimate.value == pytest.approx(figure, abs=1e-9)
        assert estimate.low < estimate.value < estimate.high
        handed = [list(passed_through(name)(as_row(*row))) for row in rows]
        assert aggregate_raw(find_metric(name).outputs[name].aggregation, handed) == pytest.approx(figure, abs=1e-9)


def test_correlation_where_rows_have_different_numbers_of_choices():
    rows = list(random_choices(400, 9, outside=False))
    task = choice_task(["mcc"])
    figure = reference.matthews_corrcoef([expected_values(task, *row[:2])["mcc"] for row in rows])
    assert estimated("mcc", valued("mcc", [as_row(*row) for row in rows])).value == pytest.approx(figure, abs=1e-9)


@pytest.mark.parametrize("several", [False, True])
def test_what_an_aggregation_of_the_task_s_own_is_handed(several):
    rows = list(random_choices(200, 4, several=several))
    names = ("f1", "mcc", "brier_score", "likelihood")
    task = choice_task(names, several)
    for row in rows:
        expected = expected_values(task, *row[:2])
        for name in names:
            gold, other = passed_through(name)(as_row(*row))
            assert gold == expected[name][0]
            assert other == pytest.approx(expected[name][1], abs=1e-12)
        if not several and expected["likelihood"][0] >= 0:
            (value,) = valued("likelihood", [as_row(*row)])
            assert value == [expected["likelihood"][0], list(expected["likelihood"][1])]


def test_perplexity_of_continuations():
    generator = random.Random(6)
    document = {"question": "q", "answer": "a"}
    task = reference_task(document, ["perplexity", "acc"], output_type="loglikelihood", doc_to_target="answer")
    scores = [Likelihood(-generator.expovariate(0.3), generator.random() < 0.5, 2) for _ in range(300)]
    expected = [expected_values(task, document, [score]) for score in scores]
    rows = [MetricInput(response=[score], target="a") for score in scores]
    assert valued("perplexity", rows) == [row["perplexity"] for row in expected]
    assert valued("acc", rows) == [row["acc"] for row in expected]
    values = valued("perplexity", rows)
    assert estimated("perplexity", values).value == pytest.approx(reference.perplexity(values), rel=1e-12)


def test_perplexities_of_texts_a_word_a_byte_and_a_bit():
    generator = random.Random(7)
    names = ("word_perplexity", "byte_perplexity", "bits_per_byte")
    texts = ["".join(generator.choices("ab é猫 \n\t", k=generator.randrange(0, 60))) for _ in range(200)]
    document = {"question": "q", "text": texts[0]}
    task = reference_task(document, names, output_type="loglikelihood_rolling", doc_to_target="{{text}}")
    rows, expected = [], []
    for text in texts:
        target = task.doc_to_target({"question": "q", "text": text})
        log_likelihood = -generator.expovariate(0.02)
        expected.append(task.process_results({"question": "q", "text": text}, [log_likelihood]))
        rows.append(MetricInput(response=[Likelihood(log_likelihood, False, 9)], target=target))
    for name in names:
        values = valued(name, rows)
        assert [tuple(value) for value in values] == [row[name] for row in expected]
        figure = registry.get_metric_aggregation(name)([row[name] for row in expected])
        estimate = estimated(name, values)
        assert estimate.value == pytest.approx(figure, rel=1e-12)
        assert estimate.low < estimate.value < estimate.high


def sentences(count, seed):
    generator = random.Random(seed)
    return [" ".join(generator.choices(WORDS, k=generator.randrange(1, 14))) for _ in range(count)]


def raw_items(name, generator, count):
    """What task code may hand to the aggregation of that name."""
    if name == "f1":
        return [(generator.choice([0, 1, True]), generator.choice([0, 1])) for _ in range(count)]
    if name == "matthews_corrcoef":
        labels = generator.choice([[0, 1], [0, 1, 2, -100], ["ja", "nein", "vielleicht"]])
        return [(generator.choice(labels), generator.choice(labels)) for _ in range(count)]
    if name == "brier_score":
        shares = [[generator.random() for _ in range(4)] for _ in range(count)]
        return [(generator.randrange(4), [one / sum(row) for one in row]) for row in shares]
    if name in ("weighted_perplexity", "bits_per_byte"):
        return [(-generator.expovariate(0.05), generator.randrange(1, 90)) for _ in range(count)]
    if name in ("bleu", "chrf", "chrf++", "ter"):
        seed, form = generator.random(), generator.choice(["text", "list", "several"])
        targets, others, responses = (sentences(count, seed + number) for number in range(3))
        if form == "several":
            return [([one, two], [three]) for one, two, three in zip(targets, others, responses, strict=True)]
        return [([one] if form == "list" else one, two) for one, two in zip(targets, responses, strict=True)]
    return [generator.choice([-generator.expovariate(1), -1, 0.5]) for _ in range(count)]


AGGREGATIONS = (
    "mean", "nanmean", "median", "perplexity", "weighted_perplexity", "bits_per_byte", "f1", "matthews_corrcoef",
    "brier_score", "bleu", "chrf", "chrf++", "ter",
)  # fmt: skip


@pytest.mark.parametrize("name", AGGREGATIONS)
def test_aggregations_of_raw_values(name):
    generator = random.Random(name)
    for count in (1, 2, 3, 10, 61):
        for _ in range(4):
            items = raw_items(name, generator, count)
            expected = float(registry.get_aggregation(name)(items))
            assert aggregate_raw(name, items) == pytest.approx(expected, rel=1e-9, abs=1e-9)
            statistic = statistic_of(name)
            if statistic is not None:
                rows = as_matrix([statistic(item) for item in items])
                assert find_aggregation(name).figure(rows) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_every_aggregation_of_the_harness_has_its_name_here():
    assert set(AGGREGATIONS) == set(registry.AGGREGATION_REGISTRY) - {"bypass"}


def test_every_metric_of_the_harness_has_its_name_and_direction_here():
    for name in set(registry.METRIC_REGISTRY) - {"bypass", "acc_all"}:
        assert find_metric(name).outputs[name].higher_is_better == registry.HIGHER_IS_BETTER_REGISTRY[name], name


def row_of_classes(right, chosen, labels):
    scores = [Likelihood(float(label == chosen), False, 1) for label in labels]
    return MetricInput(response=scores, target=right, choices=labels)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("median", 0.25),  # of which the bootstrap is rough
        ("matthews_corrcoef", 0.15),
        ("f1", 0.15),
        ("perplexity", 0.15),  # the delta method here
        ("nanmean", 0.15),
        ("bleu", 0.25),
        ("chrf", 0.25),
        ("chrf++", 0.25),
        ("ter", 0.25),
    ],
)
def test_standard_errors_agree_with_the_reference_s_bootstrap(name, tolerance, monkeypatch):
    monkeypatch.setenv("DISABLE_MULTIPROC", "1")
    generator = random.Random(3)
    overlap = name in ("bleu", "chrf", "chrf++", "ter")
    items = raw_items(name, generator, 40 if overlap else 200)
    if name == "median":
        items = [generator.gauss(0, 1) for _ in items]
    draws = 60 if overlap else 400
    expected = reference.stderr_for_metric(registry.get_aggregation(name), draws)(items)
    statistic = statistic_of(name)
    if statistic is None:
        labels = sorted({str(label) for item in items for label in item})
        values = valued("mcc", [row_of_classes(str(right), str(chosen), labels) for right, chosen in items])
    else:
        values = [statistic(item) for item in items]
    column = VectorColumn() if isinstance(values[0], list) else Column()
    column.extend(values, map(str, range(len(values))))
    assert find_aggregation(name)(column, maximum=None).se == pytest.approx(expected, rel=tolerance)


def test_warnings_are_the_reference_s_own():
    """Rows with empty choices, infinities and unknown targets give no warning here."""
    rows = [as_row(*row) for row in random_choices(50, 5)]
    infinite = [Likelihood(-math.inf, False, 1)] * 2
    rows.append(MetricInput(response=infinite, target=0, choices=["a", "b"], unconditional=infinite))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in (*ACCURACIES, "mcc", "brier_score"):
            estimated(name, valued(name, rows))
