"""Who may do what: keys, tenants, scopes, rates."""

__all__ = ()
