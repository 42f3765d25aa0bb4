"""
What travels: limits, frames and codecs. Pure: no socket, no clock, no database.

Who listens is in `freehold.server`, who calls in `freehold.client`; both stand on this room.
"""
