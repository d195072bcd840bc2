"""A data module that serves one data set, whatever is in it, as every split."""

from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset


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
