"""Documentation: a placeholder."""
