"""How trained models stand up to attacks."""
