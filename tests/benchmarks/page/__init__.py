"""What the scripts behind the page of results share."""
