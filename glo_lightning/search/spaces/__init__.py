"""What is searched: vectors or expressions, and the losses they stand for."""
