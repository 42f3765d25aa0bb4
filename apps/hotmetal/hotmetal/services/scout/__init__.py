"""
The content scout: looks for stories about a publication's topics and proposes ideas.

Each hour, and when somebody asks, a run goes through six durable steps. `workflow.py` has their
order and their patience, `steps.py` what each does, `durable.py` the library that remembers
them over a crash. `python -m hotmetal.services.scout` starts it.
"""
