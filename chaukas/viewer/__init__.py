"""
The page that shows a record in a browser, and the server that `chaukas view` starts.

`app` puts the routes together, for this command and for a collector; `web` is the
page's source, which `build` turns into the files in `page`.
"""

__all__ = ()
