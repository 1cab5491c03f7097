"""The tests of frameworks: a package, so that no folder here is imported as one."""
