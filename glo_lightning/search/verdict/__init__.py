"""Who won: finalists with fresh seeds, and the comparison on the test split."""
