-- 0001_initial.postgresql.sql
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
-- 11. sessions gets the reference of idea_id to ideas.
-- 12. ideas gets the reference of session_id to sessions.

-- freehold:statement
CREATE TABLE audit_logs (
  id TEXT COLLATE "C" NOT NULL,
  post_id TEXT COLLATE "C" NOT NULL,
  outlet TEXT COLLATE "C" NOT NULL,
  action TEXT COLLATE "C" NOT NULL,
  status TEXT COLLATE "C" NOT NULL,
  result_data TEXT COLLATE "C",
  error_message TEXT COLLATE "C",
  created_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT ck_audit_logs_status CHECK ("status" IN ('success', 'failed'))
);

-- freehold:statement
CREATE INDEX idx_audit_logs_outlet ON audit_logs (outlet);

-- freehold:statement
CREATE INDEX idx_audit_logs_post_id ON audit_logs (post_id);

-- freehold:statement
CREATE TABLE users (
  id TEXT COLLATE "C" NOT NULL,
  email TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT uq_users_email UNIQUE (email)
);

-- freehold:statement
CREATE TABLE publications (
  id TEXT COLLATE "C" NOT NULL,
  user_id TEXT COLLATE "C" NOT NULL,
  cms_publication_id TEXT COLLATE "C",
  name TEXT COLLATE "C" NOT NULL,
  slug TEXT COLLATE "C" NOT NULL,
  description TEXT COLLATE "C",
  writing_tone TEXT COLLATE "C",
  default_author TEXT COLLATE "C" DEFAULT 'Shahar',
  auto_publish_mode TEXT COLLATE "C" DEFAULT 'draft' NOT NULL,
  cadence_posts_per_week BIGINT DEFAULT 3,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  scout_schedule TEXT COLLATE "C" DEFAULT '{"type":"daily","hour":8}',
  timezone TEXT COLLATE "C" DEFAULT 'UTC',
  next_scout_at BIGINT,
  PRIMARY KEY (id),
  CONSTRAINT fk_publications_user_id FOREIGN KEY(user_id) REFERENCES users (id),
  CONSTRAINT ck_publications_auto_publish_mode CHECK ("auto_publish_mode" IN ('draft', 'publish', 'full-auto'))
);

-- freehold:statement
CREATE INDEX idx_publications_next_scout_at ON publications (next_scout_at NULLS FIRST);

-- freehold:statement
CREATE INDEX idx_publications_user_id ON publications (user_id);

-- freehold:statement
CREATE TABLE sessions (
  id TEXT COLLATE "C" NOT NULL,
  user_id TEXT COLLATE "C" NOT NULL,
  title TEXT COLLATE "C",
  status TEXT COLLATE "C" DEFAULT 'active' NOT NULL,
  current_draft_version BIGINT DEFAULT 0,
  cms_post_id TEXT COLLATE "C",
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  publication_id TEXT COLLATE "C",
  idea_id TEXT COLLATE "C",
  seed_context TEXT COLLATE "C",
  featured_image_url TEXT COLLATE "C",
  PRIMARY KEY (id),
  CONSTRAINT ck_sessions_status CHECK ("status" IN ('active', 'completed', 'archived')),
  CONSTRAINT fk_sessions_publication_id FOREIGN KEY(publication_id) REFERENCES publications (id)
);

-- freehold:statement
CREATE INDEX idx_sessions_status ON sessions (status);

-- freehold:statement
CREATE INDEX idx_sessions_user_id ON sessions (user_id);

-- freehold:statement
CREATE TABLE topics (
  id TEXT COLLATE "C" NOT NULL,
  publication_id TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  description TEXT COLLATE "C",
  priority BIGINT DEFAULT 1,
  is_active SMALLINT DEFAULT 1,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT fk_topics_publication_id FOREIGN KEY(publication_id) REFERENCES publications (id) ON DELETE CASCADE,
  CONSTRAINT ck_topics_priority CHECK ("priority" IN (1, 2, 3)),
  CONSTRAINT ck_topics_is_active CHECK ("is_active" IN (0, 1))
);

-- freehold:statement
CREATE INDEX idx_topics_publication_id ON topics (publication_id);

-- freehold:statement
CREATE TABLE ideas (
  id TEXT COLLATE "C" NOT NULL,
  publication_id TEXT COLLATE "C" NOT NULL,
  topic_id TEXT COLLATE "C",
  title TEXT COLLATE "C" NOT NULL,
  angle TEXT COLLATE "C" NOT NULL,
  summary TEXT COLLATE "C" NOT NULL,
  sources TEXT COLLATE "C",
  status TEXT COLLATE "C" DEFAULT 'new' NOT NULL,
  session_id TEXT COLLATE "C",
  relevance_score DOUBLE PRECISION,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT fk_ideas_publication_id FOREIGN KEY(publication_id) REFERENCES publications (id) ON DELETE CASCADE,
  CONSTRAINT fk_ideas_topic_id FOREIGN KEY(topic_id) REFERENCES topics (id) ON DELETE SET NULL,
  CONSTRAINT ck_ideas_status CHECK ("status" IN ('new', 'reviewed', 'promoted', 'dismissed'))
);

-- freehold:statement
CREATE INDEX idx_ideas_created_at ON ideas (created_at);

-- freehold:statement
CREATE INDEX idx_ideas_publication_id ON ideas (publication_id);

-- freehold:statement
CREATE INDEX idx_ideas_status ON ideas (status);

-- freehold:statement
CREATE TABLE oauth_state (
  state TEXT COLLATE "C" NOT NULL,
  provider TEXT COLLATE "C" NOT NULL,
  expires_at BIGINT NOT NULL,
  bound_to TEXT COLLATE "C",
  created_at BIGINT NOT NULL,
  PRIMARY KEY (state)
);

-- freehold:statement
CREATE TABLE social_connections (
  id TEXT COLLATE "C" NOT NULL,
  user_id TEXT COLLATE "C" NOT NULL,
  provider TEXT COLLATE "C" NOT NULL,
  display_name TEXT COLLATE "C",
  connection_type TEXT COLLATE "C",
  external_id TEXT COLLATE "C",
  access_token TEXT COLLATE "C",
  refresh_token TEXT COLLATE "C",
  token_expires_at BIGINT,
  scopes TEXT COLLATE "C",
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT fk_social_connections_user_id FOREIGN KEY(user_id) REFERENCES users (id)
);

-- freehold:statement
CREATE INDEX idx_social_connections_provider ON social_connections (user_id, provider);

-- freehold:statement
CREATE INDEX idx_social_connections_user ON social_connections (user_id);

-- freehold:statement
CREATE TABLE publication_outlets (
  id TEXT COLLATE "C" NOT NULL,
  publication_id TEXT COLLATE "C" NOT NULL,
  connection_id TEXT COLLATE "C" NOT NULL,
  auto_publish SMALLINT DEFAULT 0,
  settings TEXT COLLATE "C",
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT fk_publication_outlets_publication_id FOREIGN KEY(publication_id) REFERENCES publications (id) ON DELETE CASCADE,
  CONSTRAINT fk_publication_outlets_connection_id FOREIGN KEY(connection_id) REFERENCES social_connections (id),
  CONSTRAINT ck_publication_outlets_auto_publish CHECK ("auto_publish" IN (0, 1))
);

-- freehold:statement
CREATE INDEX idx_pub_outlets_publication ON publication_outlets (publication_id);

-- freehold:statement
CREATE TABLE publication_tokens (
  id TEXT COLLATE "C" NOT NULL,
  publication_id TEXT COLLATE "C" NOT NULL,
  token_hash TEXT COLLATE "C" NOT NULL,
  label TEXT COLLATE "C",
  is_active SMALLINT DEFAULT 1,
  created_at BIGINT NOT NULL,
  revoked_at BIGINT,
  PRIMARY KEY (id),
  CONSTRAINT fk_publication_tokens_publication_id FOREIGN KEY(publication_id) REFERENCES publications (id) ON DELETE CASCADE,
  CONSTRAINT ck_publication_tokens_is_active CHECK ("is_active" IN (0, 1))
);

-- freehold:statement
CREATE INDEX idx_pub_tokens_hash ON publication_tokens (token_hash);

-- freehold:statement
CREATE INDEX idx_pub_tokens_publication ON publication_tokens (publication_id);

-- freehold:statement
ALTER TABLE sessions ADD CONSTRAINT fk_sessions_idea_id FOREIGN KEY(idea_id) REFERENCES ideas (id);

-- freehold:statement
ALTER TABLE ideas ADD CONSTRAINT fk_ideas_session_id FOREIGN KEY(session_id) REFERENCES sessions (id);

-- freehold:sealed social_connections.access_token
-- freehold:sealed social_connections.refresh_token
