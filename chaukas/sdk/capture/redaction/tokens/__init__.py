"""Find secrets by their own form: the tokens of known makers."""

__all__ = ()
