"""
The migrate room: how a database comes from the shape it has to the shape its schema says.

    shape, differences   what a database looks like, and how two of them differ
    plan, steps          the steps from one to the other, tried on an empty copy first
    files                the reviewed files of an application's `migrations/` folder
    history              which of them a database has had
    apply, sync          run what is waiting, whole or not at all
    snapshot             the copy that is kept from before
    sealed, sealing      which columns are sealed, and sealing those that stood in clear
    looks, rehearse      what waits, applied to a copy and counted before and after
    reverse, undo        back to an earlier migration, where nothing is lost

Every function takes an open `apsw.Connection`, handed in by whoever holds the owner lock;
nothing here opens the live file. Import from the file that holds the name:
`from freehold.migrate.apply import apply`.
"""
