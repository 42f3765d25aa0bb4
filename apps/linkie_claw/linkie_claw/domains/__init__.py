"""
The domain functions of the data layer, one file for each noun.

SQL, the way from rows to what callers get, and the rules that must hold in the same
transaction. A function that takes a `user_id` works on `db.owned_by(user_id)`, so another
user's row is to it like one that is not there. No orchestration and no network: that is
the services' work.
"""
