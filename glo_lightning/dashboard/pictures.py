"""The pictures on a trial's page. They are drawn when somebody looks, so that the search draws none."""

import io
import re
import threading
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import optuna
from optuna.artifacts import FileSystemArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.storages import BaseStorage

from glo_lightning.errors import GloError, LossError
from glo_lightning.figures import make_figure, shown_name
from glo_lightning.losses import CrossEntropyLoss, Loss, ResidualLoss
from glo_lightning.report.equation import draw_formula
from glo_lightning.report.figures import draw_attraction, draw_influence, draw_shape
from glo_lightning.search.records.candidates import proposal
from glo_lightning.search.records.suggested import has_suggestions, read_suggestions
from glo_lightning.search.spaces.stored import space_of
from glo_lightning.search.storage.study import fingerprint_of

PICTURES = ("1-formula.svg", "2-shape.svg", "3-attraction.svg")
"""Files that every candidate seems to have; the dashboard sorts them by name."""

KEPT = 500
"""Pictures that are kept, for the next look."""

_IDENTIFIER = re.compile(r"([0-9a-f]+)-([0-9a-f]+)-(\d)")


def identifier(study_id: int, trial_id: int, picture: int) -> str:
    """Return the artifact's identifier, from which the picture can be drawn.

    Example:
        >>> identifier(1, 255, 0)
        '1-ff-0'
    """
    return f"{study_id:x}-{trial_id:x}-{picture}"


class Pictures:
    """An artifact store that draws its artifacts; what users upload themselves it puts into a folder.

    Args:
        storage: of the studies.
        folder: for uploads; created by the first.
    """

    def __init__(self, storage: BaseStorage, folder: Path) -> None:
        self._storage = storage
        self._folder = folder
        self._uploads = FileSystemArtifactStore(folder)
        self._lock = threading.Lock()  # matplotlib draws one figure at a time
        self._remember = lru_cache(KEPT)(self._draw)

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """Return an artifact's content.

        Raises:
            ArtifactNotFound: if there is none.
        """
        match = _IDENTIFIER.fullmatch(artifact_id)
        if match is None:
            return self._uploads.open_reader(artifact_id)
        with self._lock:
            return io.BytesIO(self._remember(int(match[1], 16), int(match[2], 16), int(match[3])))

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Keep an upload."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._uploads.write(artifact_id, content_body)

    def remove(self, artifact_id: str) -> None:
        """Remove an upload; pictures cannot be removed."""
        if _IDENTIFIER.fullmatch(artifact_id) is None:
            self._uploads.remove(artifact_id)

    def _draw(self, study_id: int, trial_id: int, picture: int) -> bytes:
        try:
            name = self._storage.get_study_name_from_id(study_id)
            trial = self._storage.get_trial(trial_id)
        except KeyError:
            raise ArtifactNotFound("no such trial") from None
        study = optuna.load_study(study_name=name, storage=self._storage)
        try:
            if has_suggestions(trial):
                first = read_suggestions(name, trial)[0]
                return draw_picture(first.loss, first.num_classes, picture)
            loss = space_of(study).build(proposal(trial))
            return draw_picture(loss, fingerprint_of(study)["num_classes"], picture)
        except (GloError, KeyError, ValueError) as error:
            return _draw_words(str(error))


def draw_picture(loss: Loss, num_classes: int, picture: int) -> bytes:
    """Draw one of ``PICTURES`` as SVG.

    Raises:
        ValueError: if mathematics cannot be drawn.
        LossError: if the loss has no gamma.
    """
    content = io.BytesIO()
    if picture == 0:
        figure = draw_formula(loss)
    elif loss.outputs == "real":
        if picture == 2:
            raise LossError("a loss of classes", "one of numbers, whose shape shows its influence", "Look there.")
        figure = draw_influence({"this loss": loss, "squared error": ResidualLoss()})
    elif picture == 1:
        figure = draw_shape(loss, num_classes)
    else:
        figure = draw_attraction({"this loss": loss, "cross-entropy": CrossEntropyLoss()}, num_classes)
    figure.savefig(content, format="svg", facecolor="white", bbox_inches="tight", pad_inches=0.15)
    return content.getvalue()


def _draw_words(text: str) -> bytes:
    from textwrap import fill

    content = io.BytesIO()
    figure = make_figure(4.9, 1.5, constrained=False)
    figure.text(0.02, 0.95, shown_name(fill(f"No picture: {text}", 60)), va="top", fontsize=9)
    figure.savefig(content, format="svg", facecolor="white")
    return content.getvalue()
