"""
The moving room: rows of other systems' files taken in, and rows given out as files.

    run           the order of an import: own, read, load, count, commit
    statements    a SQL file, a statement at a time
    dump          a SQL file as exporters write it, into a database without a name
    jsonl         the lines of our own export, read back
    sqlite_file   a SQLite file, read where it lies
    scratch       the database without a name, and what a stranger's text may not do
    source        what all of these look like to who loads
    fitting       which table and column goes where
    values        one value through its field's type
    loading       rows into one mutation, with every refusal counted
    export        one snapshot as a file
    sql_text      a database as SQL for either engine
    whole_file    a file that is there as a whole, or not at all
    refusals      why rows do not move

What comes in is untrusted: nothing that a file says is run but INSERTs of plain values.
"""

from freehold.app.moving.export import Exported, Given, export_file
from freehold.app.moving.fitting import OnConflict, Wishes
from freehold.app.moving.loading import Moved, Refusal
from freehold.app.moving.refusals import ExportRefused, ImportRefused, SourceUnreadable
from freehold.app.moving.run import Imported, Progress, import_file, one_of
from freehold.app.moving.values import old_key

__all__ = [
    "ExportRefused",
    "Exported",
    "Given",
    "ImportRefused",
    "Imported",
    "Moved",
    "OnConflict",
    "Progress",
    "Refusal",
    "SourceUnreadable",
    "Wishes",
    "export_file",
    "import_file",
    "old_key",
    "one_of",
]
