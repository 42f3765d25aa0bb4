-- 0001_initial.sqlite.sql
-- Written by freehold 0.1.0 from the schema. Review me: this runs as it stands,
-- in one transaction with everything else that is waiting. Once applied anywhere, leave
-- the statements as they are and write the next migration instead.
--
-- 1. The table audit_logs is new, with 8 columns and 2 indexes.
-- 2. The table users is new, with 5 columns.
-- 3. The table publications is new, with 15 columns and 2 indexes.
-- 4. The table sessions is new, with 12 columns and 2 indexes.
-- 5. The table topics is new, with 8 columns and 1 index.
-- 6. The table ideas is new, with 12 columns and 3 indexes.
-- 7. The table oauth_state is new, with 5 columns.
-- 8. The table social_connections is new, with 12 columns and 2 indexes.
-- 9. The table publication_outlets is new, with 7 columns and 1 index.
-- 10. The table publication_tokens is new, with 7 columns and 2 indexes.

-- freehold:statement
CREATE TABLE audit_logs (
  id TEXT NOT NULL,
  post_id TEXT NOT NULL,
  outlet TEXT NOT NULL,
  action TEXT NOT NULL,
  status TEXT NOT NULL,
  result_data TEXT,
  error_message TEXT,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT ck_audit_logs_status CHECK ("status" IN ('success', 'failed'))
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE INDEX idx_audit_logs_outlet ON audit_logs (outlet);

-- freehold:statement
CREATE INDEX idx_audit_logs_post_id ON audit_logs (post_id);

-- freehold:statement
CREATE TABLE users (
  id TEXT NOT NULL,
  email TEXT NOT NULL,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT uq_users_email UNIQUE (email)
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE TABLE publications (
  id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  cms_publication_id TEXT,
  name TEXT NOT NULL,
  slug TEXT NOT NULL,
  description TEXT,
  writing_tone TEXT,
  default_author TEXT DEFAULT 'Shahar',
  auto_publish_mode TEXT DEFAULT 'draft' NOT NULL,
  cadence_posts_per_week INTEGER DEFAULT 3,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  scout_schedule TEXT DEFAULT '{"type":"daily","hour":8}',
  timezone TEXT DEFAULT 'UTC',
  next_scout_at INTEGER,
  PRIMARY KEY (id),
  CONSTRAINT fk_publications_user_id FOREIGN KEY(user_id) REFERENCES users (id),
  CONSTRAINT ck_publications_auto_publish_mode CHECK ("auto_publish_mode" IN ('draft', 'publish', 'full-auto'))
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE INDEX idx_publications_next_scout_at ON publications (next_scout_at);

-- freehold:statement
CREATE INDEX idx_publications_user_id ON publications (user_id);

-- freehold:statement
CREATE TABLE sessions (
  id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  title TEXT,
  status TEXT DEFAULT 'active' NOT NULL,
  current_draft_version INTEGER DEFAULT 0,
  cms_post_id TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  publication_id TEXT,
  idea_id TEXT,
  seed_context TEXT,
  featured_image_url TEXT,
  PRIMARY KEY (id),
  CONSTRAINT ck_sessions_status CHECK ("status" IN ('active', 'completed', 'archived')),
  CONSTRAINT fk_sessions_publication_id FOREIGN KEY(publication_id) REFERENCES publications (id),
  CONSTRAINT fk_sessions_idea_id FOREIGN KEY(idea_id) REFERENCES ideas (id)
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE INDEX idx_sessions_status ON sessions (status);

-- freehold:statement
CREATE INDEX idx_sessions_user_id ON sessions (user_id);

-- freehold:statement
CREATE TABLE topics (
  id TEXT NOT NULL,
  publication_id TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT,
  priority INTEGER DEFAULT 1,
  is_active INTEGER DEFAULT 1,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT fk_topics_publication_id FOREIGN KEY(publication_id) REFERENCES publications (id) ON DELETE CASCADE,
  CONSTRAINT ck_topics_priority CHECK ("priority" IN (1, 2, 3)),
  CONSTRAINT ck_topics_is_active CHECK ("is_active" IN (0, 1))
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE INDEX idx_topics_publication_id ON topics (publication_id);

-- freehold:statement
CREATE TABLE ideas (
  id TEXT NOT NULL,
  publication_id TEXT NOT NULL,
  topic_id TEXT,
  title TEXT NOT NULL,
  angle TEXT NOT NULL,
  summary TEXT NOT NULL,
  sources TEXT,
  status TEXT DEFAULT 'new' NOT NULL,
  session_id TEXT,
  relevance_score REAL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT fk_ideas_publication_id FOREIGN KEY(publication_id) REFERENCES publications (id) ON DELETE CASCADE,
  CONSTRAINT fk_ideas_topic_id FOREIGN KEY(topic_id) REFERENCES topics (id) ON DELETE SET NULL,
  CONSTRAINT ck_ideas_status CHECK ("status" IN ('new', 'reviewed', 'promoted', 'dismissed')),
  CONSTRAINT fk_ideas_session_id FOREIGN KEY(session_id) REFERENCES sessions (id)
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE INDEX idx_ideas_created_at ON ideas (created_at);

-- freehold:statement
CREATE INDEX idx_ideas_publication_id ON ideas (publication_id);

-- freehold:statement
CREATE INDEX idx_ideas_status ON ideas (status);

-- freehold:statement
CREATE TABLE oauth_state (
  state TEXT NOT NULL,
  provider TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  bound_to TEXT,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (state)
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE TABLE social_connections (
  id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  display_name TEXT,
  connection_type TEXT,
  external_id TEXT,
  access_token TEXT,
  refresh_token TEXT,
  token_expires_at INTEGER,
  scopes TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT fk_social_connections_user_id FOREIGN KEY(user_id) REFERENCES users (id)
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE INDEX idx_social_connections_provider ON social_connections (user_id, provider);

-- freehold:statement
CREATE INDEX idx_social_connections_user ON social_connections (user_id);

-- freehold:statement
CREATE TABLE publication_outlets (
  id TEXT NOT NULL,
  publication_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  auto_publish INTEGER DEFAULT 0,
  settings TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT fk_publication_outlets_publication_id FOREIGN KEY(publication_id) REFERENCES publications (id) ON DELETE CASCADE,
  CONSTRAINT fk_publication_outlets_connection_id FOREIGN KEY(connection_id) REFERENCES social_connections (id),
  CONSTRAINT ck_publication_outlets_auto_publish CHECK ("auto_publish" IN (0, 1))
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE INDEX idx_pub_outlets_publication ON publication_outlets (publication_id);

-- freehold:statement
CREATE TABLE publication_tokens (
  id TEXT NOT NULL,
  publication_id TEXT NOT NULL,
  token_hash TEXT NOT NULL,
  label TEXT,
  is_active INTEGER DEFAULT 1,
  created_at INTEGER NOT NULL,
  revoked_at INTEGER,
  PRIMARY KEY (id),
  CONSTRAINT fk_publication_tokens_publication_id FOREIGN KEY(publication_id) REFERENCES publications (id) ON DELETE CASCADE,
  CONSTRAINT ck_publication_tokens_is_active CHECK ("is_active" IN (0, 1))
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE INDEX idx_pub_tokens_hash ON publication_tokens (token_hash);

-- freehold:statement
CREATE INDEX idx_pub_tokens_publication ON publication_tokens (publication_id);

-- freehold:sealed social_connections.access_token
-- freehold:sealed social_connections.refresh_token
