"""A request that is not done, and what its sender is told: constant texts only."""

from __future__ import annotations

__all__ = ("Refusal",)


# It is an answer that is raised, and no error.
class Refusal(Exception):  # noqa: N818
    """
    The request as a whole is refused.

    Args:
        status: Of HTTP; gRPC has a code for each.
        text: One line for people; nothing of the request stands in it.
        retry_after_s: When to come again, in whole seconds; 0 for no such hint.
    """

    def __init__(self, status: int, text: str, retry_after_s: int = 0) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.retry_after_s = retry_after_s
