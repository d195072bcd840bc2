"""A Hydra app whose loss is searched as its configuration says."""

import hydra
from omegaconf import DictConfig

from glo_lightning import LossSearch
from glo_lightning.data import DigitsDataModule
from glo_lightning.models import Classifier, mlp


@hydra.main(version_base=None, config_path=".", config_name="config")
def main(config: DictConfig) -> None:
    data = DigitsDataModule(batch_size=config.data.batch_size)
    result = LossSearch(**config.search).run(lambda: Classifier(mlp(), **config.model), data, config.trainer)
    print("found:", result.best_loss.formula())


if __name__ == "__main__":
    main()
