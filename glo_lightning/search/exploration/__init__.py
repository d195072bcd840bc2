"""Explore: propose candidates, check them by theory, train them, tell the study."""
