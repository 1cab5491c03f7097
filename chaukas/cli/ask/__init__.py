"""
The commands that read a record: lists, sums, search, one run, two runs, exports.

They parse arguments and print what `chaukas.query` answers.
"""

__all__ = ()
