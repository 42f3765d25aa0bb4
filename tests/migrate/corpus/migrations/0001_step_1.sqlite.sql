-- 0001_step_1.sqlite.sql
-- Written by freehold 0.1.0 from the schema. Review me: this runs as it stands,
-- in one transaction with everything else that is waiting. Once applied anywhere, leave
-- the statements as they are and write the next migration instead.
--
-- 1. The table users is new, with 4 columns.
-- 2. The table notes is new, with 5 columns and 2 indexes.
-- 3. The table entries is new, with 2 columns and 1 index.
-- 4. notes gets the trigger notes_keep_title, before update.
-- 5. entries gets the trigger entries_touch, after insert.

-- freehold:statement
CREATE TABLE users (
  id TEXT NOT NULL,
  email TEXT NOT NULL,
  is_active INTEGER DEFAULT 1 NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT ck_users_is_active CHECK ("is_active" IN (0, 1))
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE TABLE notes (
  user_id TEXT NOT NULL,
  title TEXT NOT NULL,
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  status TEXT DEFAULT 'open' NOT NULL,
  score REAL,
  CONSTRAINT fk_notes_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
  CONSTRAINT ck_notes_short CHECK (length(title) < 100),
  CONSTRAINT ck_notes_status CHECK ("status" IN ('open', 'done'))
)
 STRICT;

-- freehold:statement
CREATE INDEX idx_notes_user_id_score ON notes (user_id, score DESC);

-- freehold:statement
CREATE INDEX titled ON notes (title) WHERE title <> '';

-- freehold:statement
CREATE TABLE entries (
  id TEXT NOT NULL,
  note_id INTEGER,
  PRIMARY KEY (id),
  CONSTRAINT fk_entries_note_id FOREIGN KEY(note_id) REFERENCES notes (id) ON DELETE SET NULL
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE INDEX idx_entries_note_id ON entries (note_id);

-- freehold:statement
CREATE TRIGGER "notes_keep_title" BEFORE UPDATE OF "title" ON "notes" FOR EACH ROW WHEN (NEW.title = '') BEGIN SELECT RAISE(ABORT, 'a note keeps its title'); END;

-- freehold:statement
CREATE TRIGGER "entries_touch" AFTER INSERT ON "entries" FOR EACH ROW BEGIN UPDATE notes SET score = 1 WHERE notes.id = NEW.note_id; END;
