"""Realtime sessions of the Agents SDK."""

__all__ = ()
