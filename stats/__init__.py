"""What the values say: means, errors, intervals. Knows numbers only."""
