"""Runs of the Agents SDK: sessions, agents, what surrounds them."""

__all__ = ()
