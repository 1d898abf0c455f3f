"""What of an answer counts. Importing the package registers every filter."""

from filters import extract, multiple_choice, select, strip, thinking, transform  # noqa: F401  # by being imported
