"""
The writer: the HTTP face of HotMetal, and one writing agent for each session.

`python -m hotmetal.services.writer` serves it. Sessions, publications, topics and ideas are
the data layer's; drafts, notes and the talk with the agent are this service's own.
"""
