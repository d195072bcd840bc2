"""The command line that all verbs share: one parser for model, data, Trainer and a verb's own options."""
