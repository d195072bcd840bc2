"""What one batch, a validation and the data reveal of a task, before anything trains."""
