"""What the operator says to people: every reason with its meaning and its remedy, and how sentences are made."""
