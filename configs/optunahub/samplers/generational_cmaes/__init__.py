"""CMA-ES that gives the same candidates to one worker as to many."""

from glo_lightning import GenerationalCmaEsSampler

__all__ = ["GenerationalCmaEsSampler"]
