"""Objects in files."""
