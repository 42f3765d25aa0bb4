-- 0005_step_5.sqlite.sql
-- Written by freehold 0.1.0 from the schema. Review me: this runs as it stands,
-- in one transaction with everything else that is waiting. Once applied anywhere, leave
-- the statements as they are and write the next migration instead.
--
-- 1. The table accounts becomes logins and keeps its rows.
-- 2. The column token of logins becomes secret and keeps its values.
-- 3. The values of logins.secret, sealed as accounts.token, are sealed for their new name.

-- freehold:statement
ALTER TABLE "accounts" RENAME TO "logins";

-- freehold:statement
ALTER TABLE "logins" RENAME COLUMN "token" TO "secret";

-- freehold:seal logins.secret was accounts.token
