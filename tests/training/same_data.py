"""Data modules that serve a data set, whatever is in it: all of it as every split, or a part as each."""

from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset


class SameData(LightningDataModule):
    def __init__(self, data: Dataset[tuple[Tensor, ...]], batch_size: int = 8, shuffle: bool = True) -> None:
        super().__init__()
        self.data = data
        self.batch_size = batch_size
        self.shuffle = shuffle

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.data, self.batch_size, shuffle=self.shuffle)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.data, self.batch_size)

    test_dataloader = val_dataloader


class ThreeParts(SameData):
    """Serves the first half to train on, and a quarter each to validate and to test."""

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self._part(0, 2), self.batch_size, shuffle=self.shuffle)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self._part(2, 3), self.batch_size)

    def test_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self._part(3, 4), self.batch_size)

    def _part(self, start: int, end: int) -> Dataset[tuple[Tensor, ...]]:
        quarter = len(self.data) // 4  # type: ignore[arg-type]
        return Subset(self.data, range(start * quarter, end * quarter))
