"""
Migrations on PostgreSQL: the same files, the same promises, another engine's means.

    connection           what is asked of a connection, and what its errors say
    transaction          one transaction under the lock of all who migrate, with bounds
    shape                what a database looks like, and what a schema would build
    history              which migrations a database has had
    apply, sync          run what is waiting, whole or not at all
    sealing              seal the values of a column that stood in clear
    rehearse, undo       the same on a copy that is undone; back to an earlier migration

Statements that change tables are transactional here, so no copy is kept from before. Every
function takes an open `SqlConnection` outside of a transaction, unless it says otherwise.
"""
