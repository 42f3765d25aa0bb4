"""
The domain functions of the data layer, one file for each noun.

SQL, the way from rows to what callers get, and the rules that must hold in the same
transaction. No orchestration and no network: that is the services' work.
"""
