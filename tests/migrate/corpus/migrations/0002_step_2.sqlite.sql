-- 0002_step_2.sqlite.sql
-- Written by freehold 0.1.0 from the schema. Review me: this runs as it stands,
-- in one transaction with everything else that is waiting. Once applied anywhere, leave
-- the statements as they are and write the next migration instead.
--
-- 1. The table tags is new, with 2 columns and 1 index.
-- 2. users is rebuilt and its rows are copied, because the column created_at has the default None and should have 0; the check ck_users_email (email <> '') is missing.

-- freehold:statement
CREATE TABLE tags (
  id TEXT NOT NULL,
  note_id INTEGER NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT fk_tags_note_id FOREIGN KEY(note_id) REFERENCES notes (id)
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE INDEX idx_tags_note_id ON tags (note_id);

-- freehold:rebuild users

-- freehold:statement
CREATE TABLE "users__new" (
  id TEXT NOT NULL,
  email TEXT NOT NULL,
  is_active INTEGER DEFAULT 1 NOT NULL,
  created_at INTEGER DEFAULT 0 NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT ck_users_email CHECK (email <> ''),
  CONSTRAINT ck_users_is_active CHECK ("is_active" IN (0, 1))
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
INSERT INTO "users__new" ("id", "email", "is_active", "created_at") SELECT "id", "email", "is_active", "created_at" FROM "users";

-- freehold:statement
DROP TABLE "users";

-- freehold:statement
ALTER TABLE "users__new" RENAME TO "users";

-- freehold:end
