-- 0002_step_2.postgresql.sql
-- Written by freehold 0.1.0 from the schema. Review me: this runs as it stands,
-- in one transaction with everything else that is waiting. Once applied anywhere, leave
-- the statements as they are and write the next migration instead.
--
-- 1. The table tags is new, with 2 columns and 1 index.
-- 2. users is changed, because the column created_at has the default None and should have 0; the check ck_users_email (email <> '') is missing.

-- freehold:statement
CREATE TABLE tags (
  id TEXT COLLATE "C" NOT NULL,
  note_id BIGINT NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT fk_tags_note_id FOREIGN KEY(note_id) REFERENCES notes (id)
);

-- freehold:statement
CREATE INDEX idx_tags_note_id ON tags (note_id);

-- freehold:statement
ALTER TABLE "users" ALTER COLUMN "created_at" SET DEFAULT 0;

-- freehold:statement
ALTER TABLE users ADD CONSTRAINT ck_users_email CHECK (email <> '');
