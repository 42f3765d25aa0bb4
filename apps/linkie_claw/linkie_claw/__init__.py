"""
Linkie Claw: a studio for LinkedIn posts, on Freehold.

Here is its data layer: the tables, the domain functions and the face that the web
application and its scheduler call. Start at `app.py`.
"""
