"""
From a contract to what consumers need: typed clients and an OpenAPI document.

    python_client(contract) -> str      one module; async and sync from one template
    typescript_client(contract) -> str  one module, without a dependency, over fetch
    openapi(contract) -> bytes          OpenAPI 3.1, as JSON
    check(path, text) / write(path, text)

The generators are pure: the contract (its JSON as a dict) goes in, text comes out, and the
same contract always gives the same bytes. No application is imported here, and no server
asked; that is the command line's part.
"""

from freehold.generate.files import check, write
from freehold.generate.openapi import openapi
from freehold.generate.python_client import python_client
from freehold.generate.typescript import typescript_client

__all__ = ["check", "openapi", "python_client", "typescript_client", "write"]
