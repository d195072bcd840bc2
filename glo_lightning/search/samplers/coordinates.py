"""Coordinates of CMA-ES: parameters brought to one scale, whatever their own ranges are."""

from collections.abc import Mapping

import numpy as np
from optuna.distributions import FloatDistribution

from glo_lightning.errors import SettingsError
from glo_lightning.search.engines.cma import Theta


class Coordinates:
    """Maps parameters to coordinates and back.

    A coordinate is a parameter divided by its scale; of a logarithmic parameter, its natural logarithm divided by its
    scale. CMA-ES begins with the same spread in all coordinates.

    Args:
        search_space: the parameters in order.
        scales: of some of them, above 0; of all others 1.

    Raises:
        SettingsError: if a parameter has a step, there is none, or a scale is not above 0.

    Example:
        >>> space = {"rate": FloatDistribution(1e-3, 1.0, log=True), "theta": FloatDistribution(-9.0, 9.0)}
        >>> coordinates = Coordinates(space, {"rate": np.log(10.0)})
        >>> coordinates.of(np.array([0.01, 3.0])).round(6).tolist()
        [-2.0, 3.0]
        >>> coordinates.parameters(np.array([-1.0, 3.0])).round(6).tolist()
        [0.1, 3.0]
    """

    def __init__(self, search_space: Mapping[str, FloatDistribution], scales: Mapping[str, float]) -> None:
        for name, distribution in search_space.items():
            if not isinstance(distribution, FloatDistribution) or distribution.step:
                raise SettingsError(
                    "FloatDistributions without a step",
                    f"{name}: {distribution}",
                    "CMA-ES searches real vectors; suggest other parameters in the objective.",
                )
        if not search_space:
            raise SettingsError("a search space of one dimension or more", "an empty one", "Name the parameters.")
        for name, scale in scales.items():
            if name not in search_space or not 0.0 < scale < np.inf:
                raise SettingsError("scales above 0 of parameters in the space", f"{name}: {scale!r}", "Check scales.")
        self.low, self.high = np.array([[each.low, each.high] for each in search_space.values()]).T
        self._log = np.array([each.log for each in search_space.values()])
        self._scales = np.array([float(scales.get(name, 1.0)) for name in search_space])

    @property
    def bounds(self) -> Theta:
        """Lower and upper limits of the coordinates, shape (D, 2)."""
        return np.stack([self.of(self.low), self.of(self.high)], axis=1)

    def of(self, parameters: Theta) -> Theta:
        """Return the coordinates of parameters, shape (D,)."""
        coordinates: Theta = np.array(parameters, dtype=np.float64)
        coordinates[self._log] = np.log(coordinates[self._log])
        coordinates /= self._scales
        return coordinates

    def parameters(self, coordinates: Theta) -> Theta:
        """Return the parameters that coordinates stand for, shape (D,), within their bounds."""
        parameters: Theta = coordinates * self._scales
        parameters[self._log] = np.exp(parameters[self._log])
        # Rounding may carry a parameter at its limit beyond it, where Optuna would not take it.
        return np.clip(parameters, self.low, self.high)
