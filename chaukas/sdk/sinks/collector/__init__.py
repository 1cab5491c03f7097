"""Send events to a collector, over HTTP or gRPC."""

__all__ = ()
