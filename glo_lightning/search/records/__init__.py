"""What a search leaves: candidates, verdict, files; written and read back."""
