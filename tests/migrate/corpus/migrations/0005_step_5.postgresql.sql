-- 0005_step_5.postgresql.sql
-- Written by freehold 0.1.0 from the schema. Review me: this runs as it stands,
-- in one transaction with everything else that is waiting. Once applied anywhere, leave
-- the statements as they are and write the next migration instead.
--
-- 1. The table accounts becomes logins and keeps its rows.
-- 2. The column token of logins becomes secret and keeps its values.
-- 3. logins is changed, because the primary key is called accounts_pkey and should be called logins_pkey.
-- 4. The values of logins.secret, sealed as accounts.token, are sealed for their new name.

-- freehold:statement
ALTER TABLE "accounts" RENAME TO "logins";

-- freehold:statement
ALTER TABLE "logins" RENAME COLUMN "token" TO "secret";

-- freehold:statement
ALTER TABLE "logins" RENAME CONSTRAINT "accounts_pkey" TO "logins_pkey";

-- freehold:seal logins.secret was accounts.token
