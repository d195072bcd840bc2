"""The genetic algorithm of GLO: its rates, its bookkeeping, and that nothing but the seed decides."""

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare

from glo_lightning.errors import LossError, SettingsError
from glo_lightning.losses.expression import Node, parse
from glo_lightning.losses.expression.algebra import simplified_text
from glo_lightning.search.engines import Outcome
from glo_lightning.search.engines.genetic import KNOWN_LOSSES, GeneticEngine, selection_chances
from glo_lightning.search.engines.variation import LEAVES, OPERATORS, WEIGHTS, Variation, draw

OPERATIONS = 10_000
UNLIKELY = 1e-4


def up_to_algebra(expression: str) -> str:
    return simplified_text(parse(expression))


def score_of(expression: str) -> float | None:
    """An invented score with stopped candidates and ties in it."""
    tree = parse(expression)
    return None if "h" not in tree else tree.size % 5 / 5


def told(engine: GeneticEngine, generations: int) -> list[list]:
    history = []
    for _ in range(generations):
        population = [engine.candidate(index) for index in range(engine.population_size)]
        history.append(population)
        scores = [None if offspring.repeats else score_of(offspring.expression) for offspring in population]
        engine.tell([Outcome(population[index], index, score) for index, score in enumerate(scores)])
    return history


def happened(count: int, rate: float, trials: int = OPERATIONS) -> bool:
    return binomtest(count, trials, rate).pvalue > UNLIKELY


@pytest.mark.parametrize("symbols", [LEAVES, OPERATORS, (*LEAVES, *OPERATORS)])
def test_symbols_are_drawn_by_their_weights(symbols):
    rng = np.random.default_rng(0)
    drawn = [draw(rng, symbols) for _ in range(OPERATIONS)]
    weights = np.array([WEIGHTS.get(symbol, 1.0) for symbol in symbols])
    counts = [drawn.count(symbol) for symbol in symbols]
    assert chisquare(counts, weights / weights.sum() * OPERATIONS).pvalue > UNLIKELY


def test_the_weights_are_the_papers():
    assert WEIGHTS == {"log": 3.0, "y": 3.0, "h": 3.0, "sqrt": 2.0}


@pytest.mark.parametrize(
    ("expression", "rates"),
    [
        ("1", {"integer": 0.05, "symbol": 0.05, "operator": 0.025, "leaf": 0.0}),
        ("h", {"integer": 0.0, "symbol": 0.05, "operator": 0.025, "leaf": 0.0}),
    ],
)
def test_leaves_mutate_at_the_papers_rates(expression, rates):
    rng, variation, tree = np.random.default_rng(1), Variation(), parse(expression)
    names = [name for _ in range(OPERATIONS) for name in variation.mutate(rng, tree)[1]]
    assert set(names) <= set(rates)
    for name, rate in rates.items():
        assert happened(names.count(name), rate)


def test_every_node_has_its_chance_to_mutate():
    rng, variation, tree = np.random.default_rng(2), Variation(), parse("log(h) - y / h")
    names = [name for _ in range(OPERATIONS) for name in variation.mutate(rng, tree)[1]]
    assert happened(names.count("symbol"), 0.05, 6 * OPERATIONS)
    assert happened(names.count("leaf"), 0.025, 3 * OPERATIONS)
    assert happened(names.count("operator"), 0.025, 3 * OPERATIONS)


def test_integers_change_by_one_either_way():
    rng, variation = np.random.default_rng(3), Variation(integer=1.0, symbol=0.0, operator=0.0)
    changed = [variation.mutate(rng, Node(5))[0].symbol for _ in range(OPERATIONS)]
    assert set(changed) == {4, 6}
    assert happened(changed.count(6), 0.5)


def test_symbols_change_within_their_arity():
    rng, variation = np.random.default_rng(4), Variation(integer=0.0, symbol=1.0, leaf=0.0, operator=0.0)
    mutated = [variation.mutate(rng, parse("sqrt(h) - y"))[0] for _ in range(200)]
    assert {(tree.depth, tree.size) for tree in mutated} == {(2, 4)}
    assert {tree.symbol for tree in mutated} == {"+", "-", "*", "/"}
    assert {tree.children[0].symbol for tree in mutated} == {"log", "sqrt", "square"}
    assert {tree.children[1].symbol for tree in mutated} == set(LEAVES)


def test_mutation_works_from_the_leaves_up():
    grown, _ = Variation(integer=0.0, symbol=0.0, leaf=0.0, operator=1.0).mutate(
        np.random.default_rng(5), parse("h + y")
    )
    assert grown.depth == 2
    pruned, names = Variation(integer=0.0, symbol=0.0, leaf=1.0, operator=1.0).mutate(
        np.random.default_rng(5), parse("log(h) + y")
    )
    assert pruned.depth == 0
    assert names == ("operator", "leaf", "operator", "leaf")


def test_recombination_swaps_subtrees():
    rng, variation = np.random.default_rng(6), Variation()
    first, second = parse("log(h) - y / h"), parse("square(y + 2) * 3")
    for _ in range(200):
        children = variation.recombine(rng, first, second)
        assert sum(child.size for child in children) == first.size + second.size
        leaves = sorted(str(node.symbol) for child in children for _, node in child.walk())
        assert leaves == sorted(str(node.symbol) for tree in (first, second) for _, node in tree.walk())


def test_recombination_reaches_every_pair_of_nodes_alike():
    rng, variation = np.random.default_rng(7), Variation()
    first, second = parse("log(h)"), parse("y + 1")
    counts: dict[str, int] = {}
    for _ in range(OPERATIONS):
        child = str(variation.recombine(rng, first, second)[0])
        counts[child] = counts.get(child, 0) + 1
    assert sorted(counts) == ["1", "log(1)", "log(y + 1)", "log(y)", "y", "y + 1"]
    assert chisquare(list(counts.values())).pvalue > UNLIKELY


@pytest.mark.parametrize("max_depth", [2, 4])
def test_trees_stay_within_the_depth_limit(max_depth):
    engine = GeneticEngine(30, seed=0, variation=Variation(operator=0.3, max_depth=max_depth))
    depths = [parse(offspring.expression).depth for generation in told(engine, 8) for offspring in generation]
    assert max(depths) == max_depth


def test_pairs_recombine_at_the_papers_rate_and_both_children_live():
    engine = GeneticEngine(2 * OPERATIONS, seed=0, num_elites=0)
    told(engine, 1)
    population = [engine.candidate(index) for index in range(engine.population_size)]
    pairs = list(zip(population[::2], population[1::2], strict=True))
    assert all(one.operation == other.operation for one, other in pairs)
    assert happened(sum(one.operation == "recombination" for one, _ in pairs), 0.8)
    assert all(one.parents == other.parents[::-1] for one, other in pairs if one.operation == "recombination")


def test_parents_are_drawn_in_proportion_to_score():
    known = [f"h + {10 + k}" for k in range(5)]  # which no random tree repeats
    engine = GeneticEngine(5000, seed=0, num_elites=0, known=known)
    scores = [0.1, 0.0, 0.4, None, 0.5] + [None] * 4995
    engine.tell([Outcome(engine.candidate(index), index, score) for index, score in enumerate(scores)])
    parents = [engine.candidate(index).parents[0][1] for index in range(5000)]
    counts = [parents.count(index) for index in (0, 2, 4)]
    assert sum(counts) == 5000
    assert chisquare(counts, [500, 2000, 2500]).pvalue > UNLIKELY


def test_roulette_without_a_winner_is_fair():
    assert selection_chances([None, None]).tolist() == [0.5, 0.5]
    assert selection_chances([0.0, None]).tolist() == [0.5, 0.5]


def test_elites_are_the_best_different_candidates():
    known = ["y * h", "h * y", "y * log(h)", "y * sqrt(h)"]
    engine = GeneticEngine(4, seed=0, num_elites=2, known=known, key=up_to_algebra)
    assert [engine.candidate(index).repeats for index in range(4)] == [None, (0, 0), None, None]
    engine.tell([Outcome(engine.candidate(k), k, score) for k, score in enumerate([0.9, None, 0.3, 0.6])])
    elites = [engine.candidate(index) for index in range(2)]
    assert [(elite.expression, elite.operation, elite.parents) for elite in elites] == [
        ("y * h", "elite", ((0, 0),)),
        ("y * sqrt(h)", "elite", ((0, 3),)),
    ]
    assert [elite.repeats for elite in elites] == [(0, 0), (0, 3)]


@pytest.mark.parametrize("score", [None, 0.0, 0.1])
def test_a_generation_without_a_ranking_leaves_the_parents_as_they_are(score):
    engine = GeneticEngine(20, seed=0, num_elites=2, redraws=20)
    history = told(engine, 2)
    bred = [engine.candidate(index) for index in range(20)]
    engine.tell([Outcome(offspring, 0, score) for offspring in bred])
    again = [engine.candidate(index) for index in range(20)]
    assert engine.generation == 3
    assert [(each.expression, each.parents) for each in again[:2]] == [(e.expression, e.parents) for e in bred[:2]]
    assert {parent.generation for offspring in again for parent in offspring.parents} == {1}
    best = {offspring.expression for offspring in history[1] if score_of(offspring.expression)}
    selected = {history[1][parent.index].expression for offspring in again for parent in offspring.parents}
    assert selected <= best
    assert [each.expression for each in again] != [each.expression for each in bred], "drawn anew"


def test_a_first_generation_without_a_ranking_is_followed_by_another_first_one():
    engine = GeneticEngine(20, seed=0, known=["y * log(h)"])
    first = [engine.candidate(index) for index in range(20)]
    engine.tell([Outcome(offspring, 0, None) for offspring in first])
    assert [engine.candidate(index).operation for index in range(20)] == ["known", *["random"] * 19]
    assert engine.candidate(1).expression != first[1].expression


def test_a_repetition_has_the_score_of_its_original():
    known = ["y * h", "h * y", "y * log(h)"]
    chosen = set()
    for seed in range(20):
        engine = GeneticEngine(3, seed=seed, num_elites=0, known=known, key=up_to_algebra)
        engine.tell([Outcome(engine.candidate(k), k, score) for k, score in enumerate([0.5, None, 0.0])])
        chosen |= {parent for k in range(3) for parent in engine.candidate(k).parents}
    assert chosen == {(0, 0), (0, 1)}


def test_refused_expressions_are_drawn_again_and_counted():
    def refuse(expression: str) -> str | None:
        return None if "y" in expression and "h" in expression else "leaves"

    engine = GeneticEngine(20, seed=0, refuse=refuse)
    for generation in told(engine, 4):
        assert all(refuse(offspring.expression) is None for offspring in generation)
    assert sum(offspring.refused.get("leaves", 0) for offspring in told(GeneticEngine(20, refuse=refuse), 1)[0]) > 20


def test_hopeless_refusal_ends(monkeypatch):
    monkeypatch.setattr("glo_lightning.search.engines.genetic.MAX_DRAWS", 3)
    engine = GeneticEngine(4, num_elites=0, refuse=lambda expression: "never")
    assert len({id(engine.candidate(index)) for index in range(4)}) == 4
    assert engine.candidate(0).refused == {"never": 12}


def test_repetitions_are_drawn_again_a_few_times_only():
    def repeated(redraws):
        populations = told(GeneticEngine(20, seed=0, num_elites=4, key=up_to_algebra, redraws=redraws), 5)
        refused = [offspring.refused.get("unseen", 0) for population in populations for offspring in population]
        assert max(refused) <= redraws
        assert all(offspring.refused == {} for population in populations[1:] for offspring in population[:4])
        return sum(offspring.repeats is not None for population in populations for offspring in population)

    assert repeated(5) < repeated(1) < repeated(0)
    assert repeated(20) == 4 * 4  # the elites


def test_only_seed_and_outcomes_decide():
    assert told(GeneticEngine(20, seed=3), 5) == told(GeneticEngine(20, seed=3), 5)
    assert told(GeneticEngine(20, seed=3), 2) != told(GeneticEngine(20, seed=4), 2)


def test_starts_with_known_losses():
    engine = GeneticEngine(10, seed=0, known=list(KNOWN_LOSSES.values()), key=up_to_algebra)
    assert [engine.candidate(index).expression for index in range(3)] == list(KNOWN_LOSSES.values())
    assert {engine.candidate(index).operation for index in range(3, 10)} == {"random"}


@pytest.mark.parametrize("initial_depth", [2, 4])
def test_initial_trees_are_as_deep_as_asked(initial_depth):
    variation = Variation(initial_depth=initial_depth)
    engine = GeneticEngine(2000, seed=0, num_elites=0, variation=variation)
    depths = [parse(engine.candidate(index).expression).depth for index in range(2000)]
    assert set(depths) == set(range(initial_depth + 1))


def test_initial_trees_are_the_papers_by_default():
    assert Variation() == Variation(0.8, 0.05, 0.05, 0.025, 0.025, initial_depth=2)


def test_state_counts_candidates_and_scores():
    engine = GeneticEngine(20, seed=0)
    assert engine.state() == {"different": 0, "scored": 0}
    population = told(engine, 1)[0]
    scored = {offspring.key for offspring in population if score_of(offspring.expression) is not None}
    assert engine.state() == {"different": len({offspring.key for offspring in population}), "scored": len(scored)}


def test_a_resumed_engine_goes_on_from_what_was_told():
    history = told(GeneticEngine(20, seed=5), 4)
    resumed = GeneticEngine(20, seed=5)
    for population in history[:3]:
        scores = [None if offspring.repeats else score_of(offspring.expression) for offspring in population]
        resumed.tell([Outcome(population[index], index, score) for index, score in enumerate(scores)])
    assert [resumed.candidate(index) for index in range(20)] == history[3]


@pytest.mark.parametrize(
    "arguments",
    [
        {"population_size": 1},
        {"num_elites": 80},
        {"num_elites": -1},
        {"population_size": 2, "num_elites": 0, "known": ["h"] * 3},
    ],
)
def test_bad_settings_are_refused(arguments):
    with pytest.raises(SettingsError):
        GeneticEngine(**arguments)


@pytest.mark.parametrize(
    "arguments", [{"recombination": 1.1}, {"leaf": -0.1}, {"max_depth": 1}, {"max_depth": 33}, {"initial_depth": 0}]
)
def test_bad_rates_are_refused(arguments):
    with pytest.raises(SettingsError):
        Variation(**arguments)


def test_unreadable_known_losses_are_refused():
    with pytest.raises(LossError):
        GeneticEngine(known=["exp(h)"])
