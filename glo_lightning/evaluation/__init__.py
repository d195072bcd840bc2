"""Judging losses after a search: comparisons on the test split."""
