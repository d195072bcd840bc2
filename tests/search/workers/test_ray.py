"""The Ray launcher on a local cluster of two nodes, one of which dies."""

import functools
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from glo_lightning.errors import GloError, SettingsError
from glo_lightning.search import LossSearch
from glo_lightning.search.records.candidates import read_candidates
from glo_lightning.search.samplers.worker_identity import WorkerIdentity
from glo_lightning.search.storage.open import open_storage
from glo_lightning.search.workers.ray import RayLauncher, connect
from tests.search.toy import TRAINER, GatedModel, ToyData, ToyModel
from tests.search.workers import works

ray = pytest.importorskip("ray")
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes with one core each."""
    from ray.cluster_utils import Cluster

    handler = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        signal.signal(signal.SIGTERM, handler)  # a head node ends the process by it, also when it is gone
        connect(ray, address=nodes.address)
        yield nodes
        ray.shutdown()
        nodes.shutdown()


def test_sigterm_keeps_its_meaning(cluster: Any) -> None:
    assert signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, signal.SIG_IGN)


def test_an_explained_error_comes_through(cluster: Any) -> None:
    with pytest.raises(SettingsError, match=r"Expected a, got b\. C\.") as caught:
        RayLauncher(works.refuse, workers=1, cpus=1).run()
    assert type(caught.value) is SettingsError


def test_work_that_fits_no_node_is_refused(cluster: Any) -> None:
    with pytest.raises(GloError, match=r"1 CPUs and 1000 GPUs, got 1 CPUs and 0 GPUs"):
        RayLauncher(works.refuse, workers=1, cpus=1, gpus=1000).run()


def test_a_search_survives_the_death_of_a_node(cluster: Any, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "generations": 4, "population_size": 8, "monitor": "val_loss", "mode": "min", "comparison_seeds": 0,
        "finalist_seeds": 1, "study_name": "toy",
    }  # fmt: skip
    alone = LossSearch(**settings, storage="memory", output_dir=str(tmp_path)).run(ToyModel, ToyData(), TRAINER)
    node = cluster.add_node(num_cpus=1)
    database, gate = tmp_path / "study.db", tmp_path / "gate"

    def kill_node() -> None:
        while len(_workers(database)) < 2:
            time.sleep(0.05)
        cluster.remove_node(node)
        gate.touch()

    threading.Thread(target=kill_node, daemon=True).start()
    search = LossSearch(**settings, workers=2, launcher="ray", worker_gpus=0, output_dir=str(tmp_path))
    result = search.run(functools.partial(GatedModel, str(gate)), ToyData(), TRAINER)
    assert gate.exists(), "both nodes took part before one died"
    outcomes = [[(c.parameters, c.metric) for c in read_candidates(each.study)] for each in (alone, result)]
    assert outcomes[0] == outcomes[1]
    assert result.best_loss.to_dict() == alone.best_loss.to_dict()


def _workers(database: Path) -> set[WorkerIdentity | None]:
    """The processes that have claimed a candidate, or train what candidates are seen beside."""
    found: set[WorkerIdentity | None] = set()
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    for name in ("toy", "toy/baseline"):
        with suppress(KeyError):
            study = optuna.load_study(study_name=name, storage=open_storage(database))
            found |= {WorkerIdentity.of_worker(trial) for trial in study.get_trials(deepcopy=False, states=states)}
    return found
