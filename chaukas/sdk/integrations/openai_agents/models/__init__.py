"""Model calls of the Agents SDK: requests, streams, retries, hosted tools."""

__all__ = ()
