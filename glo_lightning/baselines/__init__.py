"""Whether to search at all: what is known trains first, and says what a search could gain."""
