"""Training one model with one loss, by the Trainer or as a population."""
