-- 0002_needs_check_and_claimed_refresh.sqlite.sql
-- Written by freehold 0.1.0 from the schema. Review me: this runs as it stands,
-- in one transaction with everything else that is waiting. Once applied anywhere, leave
-- the statements as they are and write the next migration instead.
--
-- 1. audit_logs is rebuilt and its rows are copied, because the check ck_audit_logs_status (status in ( 'success' , 'failed' , 'needs_check' )) is missing; the check ck_audit_logs_status (status in ( 'success' , 'failed' )) is not in the schema.
-- 2. social_connections gets the column token_refresh_until (INTEGER).
-- 3. audit_logs gets the index idx_audit_logs_created_at (created_at).

-- freehold:rebuild audit_logs

-- freehold:statement
CREATE TABLE "audit_logs__new" (
  id TEXT NOT NULL,
  post_id TEXT NOT NULL,
  outlet TEXT NOT NULL,
  action TEXT NOT NULL,
  status TEXT NOT NULL,
  result_data TEXT,
  error_message TEXT,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT ck_audit_logs_status CHECK ("status" IN ('success', 'failed', 'needs_check'))
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
INSERT INTO "audit_logs__new" ("id", "post_id", "outlet", "action", "status", "result_data", "error_message", "created_at") SELECT "id", "post_id", "outlet", "action", "status", "result_data", "error_message", "created_at" FROM "audit_logs";

-- freehold:statement
DROP TABLE "audit_logs";

-- freehold:statement
ALTER TABLE "audit_logs__new" RENAME TO "audit_logs";

-- freehold:statement
CREATE INDEX idx_audit_logs_outlet ON audit_logs (outlet);

-- freehold:statement
CREATE INDEX idx_audit_logs_post_id ON audit_logs (post_id);

-- freehold:end

-- freehold:statement
ALTER TABLE "social_connections" ADD COLUMN token_refresh_until INTEGER;

-- freehold:statement
CREATE INDEX idx_audit_logs_created_at ON audit_logs (created_at);
