"""
HotMetal: a content studio that turns news into published posts, on Freehold.

Here is its data layer: the tables, the domain functions and the face that the writer, the
scout and the publisher call. Start at `app.py`.
"""
