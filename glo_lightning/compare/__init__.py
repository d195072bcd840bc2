"""Losses side by side: full trainings with many seeds, and what their differences are worth."""
