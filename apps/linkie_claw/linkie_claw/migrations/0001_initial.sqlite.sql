-- 0001_initial.sqlite.sql
-- Written by freehold 0.1.0 from the schema. Review me: this runs as it stands,
-- in one transaction with everything else that is waiting. Once applied anywhere, leave
-- the statements as they are and write the next migration instead.
--
-- 1. The table users is new, with 6 columns.
-- 2. The table accounts is new, with 12 columns.
-- 3. The table generations is new, with 8 columns and 1 index.
-- 4. The table linkedin_oauth_states is new, with 4 columns.
-- 5. The table posts is new, with 16 columns and 3 indexes.
-- 6. The table sessions is new, with 4 columns.
-- 7. The table user_settings is new, with 15 columns.
-- 8. The table verificationTokens is new, with 3 columns.

-- freehold:statement
CREATE TABLE users (
  id TEXT NOT NULL,
  name TEXT,
  email TEXT NOT NULL,
  "emailVerified" INTEGER,
  image TEXT,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT uq_users_email UNIQUE (email)
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE TABLE accounts (
  id TEXT NOT NULL,
  "userId" TEXT NOT NULL,
  type TEXT NOT NULL,
  provider TEXT NOT NULL,
  "providerAccountId" TEXT NOT NULL,
  refresh_token TEXT,
  access_token TEXT,
  expires_at INTEGER,
  token_type TEXT,
  scope TEXT,
  id_token TEXT,
  session_state TEXT,
  PRIMARY KEY (id),
  CONSTRAINT "fk_accounts_userId" FOREIGN KEY("userId") REFERENCES users (id) ON DELETE CASCADE,
  CONSTRAINT "uq_accounts_provider_providerAccountId" UNIQUE (provider, "providerAccountId")
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE TABLE generations (
  id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  idea TEXT NOT NULL,
  text_variations_json TEXT NOT NULL,
  images_json TEXT NOT NULL,
  selected_text_id TEXT,
  selected_image_id TEXT,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT fk_generations_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
)
 STRICT;

-- freehold:statement
CREATE INDEX generations_user_id_idx ON generations (user_id);

-- freehold:statement
CREATE TABLE linkedin_oauth_states (
  state TEXT NOT NULL,
  user_id TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  bound_to TEXT,
  PRIMARY KEY (state),
  CONSTRAINT fk_linkedin_oauth_states_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE TABLE posts (
  id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  title TEXT NOT NULL,
  content TEXT NOT NULL,
  image_url TEXT,
  scheduled_at INTEGER,
  published_at INTEGER,
  status TEXT DEFAULT 'draft' NOT NULL,
  linkedin_post_urn TEXT,
  error_message TEXT,
  retry_count INTEGER DEFAULT 0 NOT NULL,
  claim_id TEXT,
  lease_until INTEGER,
  fence INTEGER DEFAULT 0 NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT fk_posts_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
  CONSTRAINT ck_posts_status CHECK ("status" IN ('draft', 'scheduled', 'publishing', 'published', 'failed'))
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE INDEX posts_scheduled_at_idx ON posts (scheduled_at);

-- freehold:statement
CREATE INDEX posts_status_idx ON posts (status);

-- freehold:statement
CREATE INDEX posts_user_id_idx ON posts (user_id);

-- freehold:statement
CREATE TABLE sessions (
  id TEXT NOT NULL,
  "sessionToken" TEXT NOT NULL,
  "userId" TEXT NOT NULL,
  expires INTEGER NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT "uq_sessions_sessionToken" UNIQUE ("sessionToken"),
  CONSTRAINT "fk_sessions_userId" FOREIGN KEY("userId") REFERENCES users (id) ON DELETE CASCADE
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE TABLE user_settings (
  id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  linkedin_profile_url TEXT,
  linkedin_person_urn TEXT,
  linkedin_connected INTEGER DEFAULT 0,
  linkedin_access_token TEXT,
  linkedin_refresh_token TEXT,
  linkedin_token_expires_at INTEGER,
  linkedin_oauth_status TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  linkedin_headline TEXT,
  voice_tones_json TEXT,
  image_styles_json TEXT,
  n8n_webhook_url TEXT,
  PRIMARY KEY (id),
  CONSTRAINT fk_user_settings_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
  CONSTRAINT uq_user_settings_user_id UNIQUE (user_id),
  CONSTRAINT ck_user_settings_linkedin_connected CHECK ("linkedin_connected" IN (0, 1)),
  CONSTRAINT ck_user_settings_linkedin_oauth_status CHECK ("linkedin_oauth_status" IN ('connected', 'disconnected', 'expired'))
)
 WITHOUT ROWID,
 STRICT;

-- freehold:statement
CREATE TABLE "verificationTokens" (
  identifier TEXT NOT NULL,
  token TEXT NOT NULL,
  expires INTEGER NOT NULL,
  PRIMARY KEY (identifier, token),
  CONSTRAINT "uq_verificationTokens_token" UNIQUE (token)
)
 WITHOUT ROWID,
 STRICT;

-- freehold:sealed accounts.refresh_token
-- freehold:sealed accounts.access_token
-- freehold:sealed accounts.id_token
-- freehold:sealed user_settings.linkedin_access_token
-- freehold:sealed user_settings.linkedin_refresh_token
