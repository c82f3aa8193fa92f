"""The parent: forks the others, watches their progress, and undoes what the dead leave. Standard library only."""
