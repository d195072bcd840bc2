"""glo_lightning finds a better loss function for a PyTorch Lightning model."""

__version__ = "0.1.0"
