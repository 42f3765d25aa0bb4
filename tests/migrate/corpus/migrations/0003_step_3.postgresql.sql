-- 0003_step_3.postgresql.sql
-- Written by freehold 0.1.0 from the schema. Review me: this runs as it stands,
-- in one transaction with everything else that is waiting. Once applied anywhere, leave
-- the statements as they are and write the next migration instead.
--
-- 1. The table accounts is new, with 4 columns and 1 index.
-- 2. The table changes is new, with 2 columns.
-- 3. accounts gets the trigger accounts_count, after update.

-- freehold:statement
CREATE TABLE accounts (
  provider TEXT COLLATE "C" NOT NULL,
  number BIGINT NOT NULL,
  token TEXT COLLATE "C" NOT NULL,
  note TEXT COLLATE "C",
  PRIMARY KEY (provider, number)
);

-- freehold:statement
CREATE INDEX idx_accounts_token ON accounts (token);

-- freehold:statement
CREATE TABLE changes (
  id BIGINT NOT NULL,
  count BIGINT NOT NULL,
  PRIMARY KEY (id)
);

-- freehold:statement
CREATE FUNCTION "accounts_count"() RETURNS trigger LANGUAGE plpgsql AS $trigger$ BEGIN UPDATE changes SET count = count + 1; RETURN NEW; END $trigger$;

-- freehold:statement
CREATE TRIGGER "accounts_count" AFTER UPDATE OF "token" ON "accounts" FOR EACH ROW EXECUTE FUNCTION "accounts_count"();
