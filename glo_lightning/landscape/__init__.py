"""How flat the surroundings of trained models are."""
