import cmaes
import numpy as np
import pytest

from glo_lightning.search.engines import Outcome
from glo_lightning.search.engines.cma import MAX_DRAWS, CmaEngine, Theta

SEED, POPULATION, DIMENSION = 5, 9, 3


def rosenbrock(x: Theta) -> float:
    return float((100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum())


def make_engine(**options: object) -> CmaEngine:
    return CmaEngine(np.zeros(DIMENSION), 1.2, POPULATION, SEED, **options)


def advance(engine: CmaEngine) -> list[Theta]:
    thetas = [engine.candidate(index) for index in range(POPULATION)]
    values = [rosenbrock(theta) for theta in thetas]
    ranks = np.argsort(np.argsort(values, kind="stable"))
    engine.tell([Outcome(theta, int(rank), -value) for theta, rank, value in zip(thetas, ranks, values, strict=True)])
    return thetas


def test_equals_a_plain_cmaes_loop_generation_by_generation() -> None:
    engine = make_engine()
    plain = cmaes.CMA(mean=np.zeros(DIMENSION), sigma=1.2, population_size=POPULATION)
    for generation in range(30):
        solutions = []
        for index in range(POPULATION):
            plain.reseed_rng(np.random.SeedSequence([SEED, generation, index, 0]).generate_state(4))
            x = plain.ask()
            solutions.append((x, rosenbrock(x)))
        asked = [x for x, _ in solutions]
        plain.tell(solutions)
        np.testing.assert_array_equal(advance(engine), asked)
        np.testing.assert_array_equal(engine.mean, plain.mean)
        assert engine.sigma == plain._sigma
        assert engine.generation == generation + 1


def test_a_candidate_depends_on_its_slot_alone() -> None:
    engine, other = make_engine(), make_engine()
    for _ in range(5):
        for index in (3, 0, 3, 8):
            other.candidate(index)
        np.testing.assert_array_equal(advance(engine), advance(other))


def test_infeasible_draws_are_drawn_again() -> None:
    def is_feasible(theta: Theta) -> bool:
        return bool(theta[0] > 0.0)

    engine = make_engine(is_feasible=is_feasible)
    free = make_engine()
    for index in range(POPULATION):
        theta, first = engine.candidate(index), free.candidate(index)
        assert is_feasible(theta)
        if is_feasible(first):
            np.testing.assert_array_equal(theta, first)


def test_drawing_ends_when_nothing_is_feasible() -> None:
    draws = []
    engine = make_engine(is_feasible=lambda theta: bool(draws.append(theta)))
    np.testing.assert_array_equal(engine.candidate(0), draws[-1])
    assert len({tuple(draw) for draw in draws}) == len(draws) == MAX_DRAWS


def test_bounds_are_kept() -> None:
    engine = make_engine(bounds=np.array([[-0.5, 0.5]] * DIMENSION))
    for _ in range(5):
        assert np.abs(advance(engine)).max() <= 0.5


@pytest.mark.parametrize("dimension", [1, 2, 30])
@pytest.mark.parametrize("population_size", [4, 5, 50])
def test_any_size_works(dimension: int, population_size: int) -> None:
    engine = CmaEngine(np.zeros(dimension), 1.0, population_size, seed=0)
    for _ in range(3):
        thetas = [engine.candidate(index) for index in range(population_size)]
        engine.tell([Outcome(theta, index, None) for index, theta in enumerate(thetas)])
    assert np.isfinite(engine.state()["mean"]).all()
    assert engine.state()["sigma"] > 0.0


@pytest.mark.parametrize("before", [0, 3])
def test_a_generation_without_a_ranking_moves_nothing_but_on(before: int) -> None:
    engine, undisturbed = make_engine(), make_engine()
    for _ in range(before):
        advance(engine)
        advance(undisturbed)
    first = [engine.candidate(index) for index in range(POPULATION)]
    state = engine.state()
    engine.tell([Outcome(theta, 0, None) for theta in first])
    assert (engine.generation, engine.state()) == (before + 1, state)
    assert not np.isin(first, [engine.candidate(index) for index in range(POPULATION)]).any(), "drawn anew"
    for candidates in (first, [undisturbed.candidate(index) for index in range(POPULATION)]):
        np.testing.assert_array_equal(candidates, first)
    outcomes = [Outcome(theta, index, None) for index, theta in enumerate(first)]
    engine.tell(outcomes)
    undisturbed.tell(outcomes)
    assert engine.state() == undisturbed.state(), "as if it had not been"


def test_equal_ranks_count_in_the_order_of_their_index() -> None:
    tied, strict = make_engine(), make_engine()
    thetas = [tied.candidate(index) for index in range(POPULATION)]
    tied.tell([Outcome(theta, 0 if index < 4 else 4, None) for index, theta in enumerate(thetas)])
    strict.tell([Outcome(theta, index, None) for index, theta in enumerate(thetas)])
    assert tied.state() == strict.state()


def test_first_candidates_open_the_first_generation_alone() -> None:
    first = [np.full(DIMENSION, 1.0), np.full(DIMENSION, -7.0)]
    engine, free = make_engine(first=first), make_engine()
    for index in range(POPULATION):
        expected = first[index] if index < len(first) else free.candidate(index)
        np.testing.assert_array_equal(engine.candidate(index), expected)
    engine.candidate(0)[:] = 0.0
    opening = advance(engine)
    np.testing.assert_array_equal(opening[0], first[0])
    assert all(not np.array_equal(theta, known) for theta in advance(engine) for known in first)


def test_the_best_of_the_first_candidates_draws_the_mean() -> None:
    optimum = np.full(DIMENSION, 1.0)
    engine, free = make_engine(first=[optimum]), make_engine()
    advance(engine), advance(free)
    assert np.linalg.norm(engine.mean - optimum) < np.linalg.norm(free.mean - optimum)
