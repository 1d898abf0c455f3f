"""What brings the users of other tools here: their command lines as run files."""
