"""
Calls: entrypoints made of plain functions, their contract, and the dispatch of one call.

No socket and no thread is here. Who brings the bytes is `freehold.server`; who runs the
function on a snapshot or in a savepoint is the driver, by the Protocols in `db.ports`.
"""

from freehold.rpc.entrypoint import Entrypoint
from freehold.rpc.method import method, raises

__all__ = ["Entrypoint", "method", "raises"]
