"""All that is compared, by name."""

import numpy as np
from cmaes import CMA, SepCMA

from cost.spaces import BernsteinSpace, ExponentSpace
from cost.tasks import CLASSES
from cost.variant import BUDGETS, Variant
from glo_lightning.losses import DriveLoss, TaylorLoss, cross_entropy_taylor, mean_squared_error_taylor
from glo_lightning.search.spaces.drive import DriveSpace
from glo_lightning.search.spaces.polynomial import CanonicalSpace
from glo_lightning.theory import canonical

LONG_BUDGETS = (*BUDGETS, 192, 400)


def parameters_of(loss: DriveLoss) -> dict[str, float]:
    c = [*loss.c.tolist(), 0.0, 0.0]
    return {"log_scale": float(loss.scale.log()), "q": float(loss.q), "g": float(loss.g), "c_1": c[0], "c_2": c[1]}


KNOWN_LOSSES = [DriveLoss(), DriveLoss.like("gce"), DriveLoss.like("sce"), DriveLoss.like("agce", q=2.0)]
KNOWN = [parameters_of(each) for each in KNOWN_LOSSES]
ROBUST_MEAN = {name: float(np.mean([each[name] for each in KNOWN])) for name in KNOWN[0]}

OVERLAP = DriveLoss.like("mae").with_scale(1.0 / CLASSES)
"""1 - p, what the Dice loss is where the classes of a batch are balanced and learnt alike."""

KNOWN_POLYNOMIALS = [
    dict(zip(CanonicalSpace(3, CLASSES).distributions, canonical(loss, CLASSES).parameters, strict=True))
    for loss in (
        cross_entropy_taylor(3),
        mean_squared_error_taylor(3),
        TaylorLoss([0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0]),  # the mean absolute error, 2 (1 - h) of the target
    )
]

DRIVE = Variant({"family": "drive", "known_first": False})
KNOWN_FIRST = DRIVE.but(known_first=True)
CANONICAL = Variant({"family": "taylor", "parameters": "canonical", "start": "zeros", "population_size": 20})
EXPANDED = CANONICAL.but(start="cross_entropy")
THETA = Variant({"family": "taylor", "parameters": "theta", "population_size": 20})

VARIANTS = {
    "drive": DRIVE.but(budgets=LONG_BUDGETS),
    "canonical": CANONICAL.but(budgets=LONG_BUDGETS),
    "theta": THETA.but(budgets=LONG_BUDGETS),
    # what the drive family's parameters are
    "drive, exponents only": DRIVE.but(space=ExponentSpace),
    "drive, Bernstein": DRIVE.but(space=lambda: BernsteinSpace(lambda z: 1.0 + z)),
    "drive, Bernstein, positive": DRIVE.but(space=lambda: BernsteinSpace(np.exp)),
    "drive, Bernstein, signed logs": DRIVE.but(space=lambda: BernsteinSpace(lambda z: np.sinh(z + np.arcsinh(1.0)))),
    "drive, units of c 4": DRIVE.but(units={"c_1": 4.0, "c_2": 4.0}),
    # population, step size, scale
    **{f"drive, {size}": DRIVE.but(population_size=size) for size in (6, 12, 20)},
    **{f"drive, sigma {sigma}": DRIVE.but(sigma=sigma) for sigma in (0.3, 1.2)},
    "drive, normalized": DRIVE.but(space=lambda: DriveSpace(CLASSES, with_scale=False)),
    **{f"canonical, {size}": CANONICAL.but(population_size=size) for size in (8, 12, 40)},
    "canonical, normalized": CANONICAL.but(normalize="drive"),
    "canonical, no invariant": CANONICAL.but(invariant="none"),
    "canonical, stable": CANONICAL.but(invariant="stable"),
    "canonical, resampled": CANONICAL.but(on_violation="resample"),
    "canonical, stable, resampled": CANONICAL.but(invariant="stable", on_violation="resample"),
    "theta, from cross-entropy": THETA.but(start="cross_entropy"),
    "theta, normalized": THETA.but(normalize="drive"),
    # the same of the defaults
    "drive, known losses first": KNOWN_FIRST.but(budgets=LONG_BUDGETS),
    **{f"drive, known losses first, {size}": KNOWN_FIRST.but(population_size=size) for size in (6, 12, 20)},
    **{f"drive, known losses first, sigma {sigma}": KNOWN_FIRST.but(sigma=sigma) for sigma in (0.3, 1.2)},
    "drive, known losses first, normalized": KNOWN_FIRST.but(space=lambda: DriveSpace(CLASSES, with_scale=False)),
    "drive, known losses first, separable": KNOWN_FIRST.but(make=SepCMA),
    "canonical, from cross-entropy": EXPANDED.but(budgets=LONG_BUDGETS),
    **{f"canonical, from cross-entropy, {size}": EXPANDED.but(population_size=size) for size in (6, 8, 12, 40)},
    **{f"canonical, from cross-entropy, sigma {sigma}": EXPANDED.but(sigma=sigma) for sigma in (0.3, 0.6)},
    "canonical, from cross-entropy, normalized": EXPANDED.but(normalize="drive"),
    "canonical, from cross-entropy, separable": EXPANDED.but(make=SepCMA),
    # what else could save trainings
    "drive, known losses and 1 - p first": DRIVE.but(first=[*KNOWN, parameters_of(OVERLAP)]),
    "drive, known losses first, classes alike": DRIVE.but(first=KNOWN),
    "drive, known losses first, units of c 4": KNOWN_FIRST.but(units={"c_1": 4.0, "c_2": 4.0}),
    "drive, known losses first, another seed each generation": KNOWN_FIRST.but(reseed=True),
    "drive, known losses first, two seeds": KNOWN_FIRST.but(trainings=2),
    "drive, exponents only, known losses first": DRIVE.but(space=ExponentSpace, first=KNOWN[:2]),
    "drive, Bernstein, positive, known losses first": DRIVE.but(
        space=lambda: BernsteinSpace(np.exp), first=BernsteinSpace(np.exp).points(KNOWN_LOSSES)
    ),
    "canonical, known losses first": CANONICAL.but(first=KNOWN_POLYNOMIALS),
    "drive, from the known losses' mean": DRIVE.but(mean=ROBUST_MEAN),
    "drive, learning rate adapted": DRIVE.but(make=lambda **given: CMA(lr_adapt=True, **given)),
    "drive, separable": DRIVE.but(make=SepCMA),
    "drive, another seed each generation": DRIVE.but(reseed=True),
    "drive, two seeds": DRIVE.but(trainings=2),
    "drive, race": DRIVE.but(race=0.5),
    "drive, finalists smoothed": DRIVE.but(choose="smoothed"),
    "drive, finalists with the mean": DRIVE.but(choose="mean"),
}
