"""Train a model fully with any loss."""
