"""What a first batch, before anything trains, reveals of a task."""
