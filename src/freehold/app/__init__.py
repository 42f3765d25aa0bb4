"""
The app room: what a user's application is, and how it is opened.

`App` and `Database` are its declaration; the opener loads the drivers and is imported from
`freehold.app.opening`.
"""

from freehold.app.declaration import App, Database

__all__ = ["App", "Database"]
