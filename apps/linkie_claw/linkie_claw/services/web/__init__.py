"""
The web service: routes, sign-in, generation and dispatch. What is stored, and which step of a
post is allowed, is the data layer's business; this one only asks it.
"""
