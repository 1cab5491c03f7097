"""A collector as a source: the same questions, asked over HTTP."""

__all__: tuple[str, ...] = ()
