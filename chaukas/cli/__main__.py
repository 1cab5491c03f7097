"""
`python -m chaukas.cli`: the commands, run by the Python that is named.

The doctor must run with the application's own, which the script may not be.
"""

from . import main

__all__ = ()

if __name__ == "__main__":
    main(prog_name="chaukas")
