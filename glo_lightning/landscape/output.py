"""Explore the surroundings of the models of a command line; print a table, write JSON and a figure."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from torch import Tensor

from glo_lightning.checkpoints.subjects import Subjects, gather
from glo_lightning.cli.task_cli import TaskCLI
from glo_lightning.extras import require_extra
from glo_lightning.figures import save_figure
from glo_lightning.files import writable_folder, write_json
from glo_lightning.landscape.curvature import top_eigenvalue
from glo_lightning.landscape.figures import figure_landscape
from glo_lightning.landscape.settings import LandscapeSettings
from glo_lightning.landscape.surface import Surface, grid, measure_surface, random_directions, require_radius
from glo_lightning.telling import shown
from glo_lightning.words import number, place, say

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Surroundings:
    """What is around one model.

    Args:
        surface: accuracy and cross-entropy.
        flatness: mean accuracy within the radius.
        curvature: largest eigenvalue of the Hessian of cross-entropy; None if it was not asked for, or not found.
    """

    surface: Surface
    flatness: float
    curvature: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"flatness": self.flatness, "curvature": self.curvature, **self.surface.to_dict()}


def run(cli: TaskCLI[LandscapeSettings]) -> int:
    """Measure, print and write.

    Args:
        cli: what the command line says.

    Returns:
        The exit code 0.

    Raises:
        GloError: if something does not fit; before anything is measured.
    """
    settings = cli.settings()
    require_extra("figures", "the figure of a landscape")
    coordinates = grid(settings.span, settings.points)
    require_radius(settings.radius, coordinates)
    subjects = gather(cli.task(), settings)
    folder = writable_folder(settings.folder)
    console = Console(highlight=False)
    with shown():
        found = explore(subjects, settings, coordinates, _logger.info)
    console.print(landscape_table(found, subjects.num_images))
    say(
        console,
        f"flatness: mean accuracy over steps of up to {settings.radius:g} filter norms; "
        "curvature: largest eigenvalue of the Hessian of cross-entropy",
    )
    record = {
        "split": settings.split,
        "num_images": subjects.num_images,
        "seed": settings.seed,
        "radius": settings.radius,
        "checkpoints": {name: str(file) for name, file in subjects.files.items()},
        "models": {name: each.to_dict() for name, each in found.items()},
    }
    write_json(folder / "landscape.json", record)
    figure = figure_landscape({name: each.surface for name, each in found.items()}, settings.radius)
    save_figure(figure, folder / "landscape.png")
    say(console, f"Files in {place(folder)}")
    return 0


def explore(
    subjects: Subjects, settings: LandscapeSettings, coordinates: Tensor, say: Callable[[str], None]
) -> dict[str, Surroundings]:
    """Measure every model along the same directions.

    Args:
        subjects: models and images.
        settings: directions and radius.
        coordinates: steps along each direction.
        say: told of every finished row.

    Returns:
        What is around each model, by name.
    """
    found = {}
    for name, model in subjects.models.items():
        say(f"moving the weights of {name}")
        directions = random_directions(model, settings.dimensions, settings.seed)
        surface = measure_surface(model, subjects.batches, directions, coordinates, say)
        curvature = top_eigenvalue(model, subjects.batches, seed=settings.seed) if settings.curvature else None
        found[name] = Surroundings(surface, surface.flatness(settings.radius), curvature)
    return found


def landscape_table(found: Mapping[str, Surroundings], num_images: int) -> Table:
    """Return one row per model."""
    table = Table(title=f"around each model, on {num_images} images", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("model", overflow="fold")
    for column in ("accuracy", "cross-entropy", "flatness", "curvature"):
        table.add_column(column, justify="right")
    for name, each in found.items():
        surface = each.surface
        table.add_row(
            escape(name),
            f"{float(surface.accuracy[surface.centre]):.4f}",
            number(float(surface.loss[surface.centre])),
            f"{each.flatness:.4f}",
            "-" if each.curvature is None else f"{each.curvature:.4g}",
        )
    return table
