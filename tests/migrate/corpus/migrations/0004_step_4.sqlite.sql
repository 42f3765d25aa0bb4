-- 0004_step_4.sqlite.sql
-- Written by freehold 0.1.0 from the schema. Review me: this runs as it stands,
-- in one transaction with everything else that is waiting. Once applied anywhere, leave
-- the statements as they are and write the next migration instead.
--
-- 1. The trigger accounts_count on accounts is not in the schema any more.
-- 2. The index idx_accounts_token (token) of accounts is not in the schema any more.
-- 3. The values of accounts.token, in clear until now, are sealed; one that is sealed already stays as it is.

-- freehold:statement
DROP TRIGGER "accounts_count";

-- freehold:statement
DROP INDEX "idx_accounts_token";

-- freehold:seal accounts.token
