-- 0002_needs_check_and_claimed_refresh.postgresql.sql
-- Written by freehold 0.1.0 from the schema. Review me: this runs as it stands,
-- in one transaction with everything else that is waiting. Once applied anywhere, leave
-- the statements as they are and write the next migration instead.
--
-- 1. audit_logs is changed, because the check ck_audit_logs_status (status in ( 'success' , 'failed' , 'needs_check' )) is missing; the check ck_audit_logs_status (status in ( 'success' , 'failed' )) is not in the schema.
-- 2. social_connections gets the column token_refresh_until (bigint).
-- 3. audit_logs gets the index idx_audit_logs_created_at (created_at).

-- freehold:statement
ALTER TABLE "audit_logs" DROP CONSTRAINT "ck_audit_logs_status";

-- freehold:statement
ALTER TABLE audit_logs ADD CONSTRAINT ck_audit_logs_status CHECK ("status" IN ('success', 'failed', 'needs_check'));

-- freehold:statement
ALTER TABLE "social_connections" ADD COLUMN token_refresh_until BIGINT;

-- freehold:statement
CREATE INDEX idx_audit_logs_created_at ON audit_logs (created_at);
