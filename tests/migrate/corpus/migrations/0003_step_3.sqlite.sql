-- 0003_step_3.sqlite.sql
-- Written by freehold 0.1.0 from the schema. Review me: this runs as it stands,
-- in one transaction with everything else that is waiting. Once applied anywhere, leave
-- the statements as they are and write the next migration instead.
--
-- 1. The table accounts is new, with 4 columns and 1 index.
-- 2. The table changes is new, with 2 columns.
-- 3. accounts gets the trigger accounts_count, after update.

-- freehold:statement
CREATE TABLE accounts (
  provider TEXT NOT NULL,
  number INTEGER NOT NULL,
  token TEXT NOT NULL,
  note TEXT,
  PRIMARY KEY (provider, number)
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE INDEX idx_accounts_token ON accounts (token);

-- freehold:statement
CREATE TABLE changes (
  id INTEGER NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (id)
)
 STRICT;

-- freehold:statement
CREATE TRIGGER "accounts_count" AFTER UPDATE OF "token" ON "accounts" FOR EACH ROW BEGIN UPDATE changes SET count = count + 1; END;
