"""
Whose rows HotMetal's methods work on, and that no input takes a column that is not its own.

No row of HotMetal has an `Owner()`. Its callers are the writer, the scout and the publisher: they
act for all users and name one where it matters, and the document has no method that a user's own
key would call. So the face says of all its methods that they cross users.
"""

from __future__ import annotations

import pytest
from hotmetal.app import app
from hotmetal.entrypoints import DataLayer

from freehold.errors import ContractError
from freehold.testing import Isolation


@pytest.mark.promise("P6")
def test_every_method_says_that_it_crosses_users() -> None:
    """Where nobody owns a row there is no matrix to be made."""
    silent = [name for name, each in DataLayer.__methods__.items() if each.crosses_users is None]

    assert silent == []
    with pytest.raises(ContractError, match="no users to be told apart"):
        Isolation(app).matrix()


@pytest.mark.attack("A4")
def test_no_column_can_be_smuggled_in() -> None:
    """Every column of every table, added to every input."""
    assert Isolation(app).smuggled_columns() == []
