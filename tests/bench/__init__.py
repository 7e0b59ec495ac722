"""`make bench`: this project beside what its user would otherwise run, measured in one go on one machine."""
