"""What the APIs of OpenAI look like, and who serves them."""

__all__ = ()
