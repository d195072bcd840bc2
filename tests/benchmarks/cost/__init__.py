"""What the scripts that count trainings share: tasks, searches, and the loop that runs many of them at once."""
