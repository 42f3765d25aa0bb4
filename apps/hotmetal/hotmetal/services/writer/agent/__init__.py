"""
The writing agent: one for each session, with drafts, notes and a talk of its own.

It asks, looks things up, drafts and revises by chat, and publishes to the CMS. The data layer
knows the session; everything else of the agent is in the writer's local store.
"""
