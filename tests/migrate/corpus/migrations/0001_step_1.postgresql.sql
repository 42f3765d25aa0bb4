-- 0001_step_1.postgresql.sql
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
  id TEXT COLLATE "C" NOT NULL,
  email TEXT COLLATE "C" NOT NULL,
  is_active SMALLINT DEFAULT 1 NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT ck_users_is_active CHECK ("is_active" IN (0, 1))
);

-- freehold:statement
CREATE TABLE notes (
  user_id TEXT COLLATE "C" NOT NULL,
  title TEXT COLLATE "C" NOT NULL,
  id BIGSERIAL NOT NULL,
  status TEXT COLLATE "C" DEFAULT 'open' NOT NULL,
  score DOUBLE PRECISION,
  PRIMARY KEY (id),
  CONSTRAINT fk_notes_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
  CONSTRAINT ck_notes_short CHECK (length(title) < 100),
  CONSTRAINT ck_notes_status CHECK ("status" IN ('open', 'done'))
);

-- freehold:statement
CREATE INDEX idx_notes_user_id_score ON notes (user_id, score DESC NULLS LAST);

-- freehold:statement
CREATE INDEX titled ON notes (title) WHERE title <> '';

-- freehold:statement
CREATE TABLE entries (
  id TEXT COLLATE "C" NOT NULL,
  note_id BIGINT,
  PRIMARY KEY (id),
  CONSTRAINT fk_entries_note_id FOREIGN KEY(note_id) REFERENCES notes (id) ON DELETE SET NULL
);

-- freehold:statement
CREATE INDEX idx_entries_note_id ON entries (note_id NULLS FIRST);

-- freehold:statement
CREATE FUNCTION "notes_keep_title"() RETURNS trigger LANGUAGE plpgsql AS $trigger$ BEGIN RAISE EXCEPTION USING MESSAGE = 'a note keeps its title'; END $trigger$;

-- freehold:statement
CREATE TRIGGER "notes_keep_title" BEFORE UPDATE OF "title" ON "notes" FOR EACH ROW WHEN (NEW.title = '') EXECUTE FUNCTION "notes_keep_title"();

-- freehold:statement
CREATE FUNCTION "entries_touch"() RETURNS trigger LANGUAGE plpgsql AS $trigger$ BEGIN UPDATE notes SET score = 1 WHERE notes.id = NEW.note_id; RETURN NEW; END $trigger$;

-- freehold:statement
CREATE TRIGGER "entries_touch" AFTER INSERT ON "entries" FOR EACH ROW EXECUTE FUNCTION "entries_touch"();
