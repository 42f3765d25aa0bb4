"""
The drivers room: one folder for each engine. Only the opener in `app` knows which there are.
"""
