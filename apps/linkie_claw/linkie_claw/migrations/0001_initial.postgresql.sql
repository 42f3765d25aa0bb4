-- 0001_initial.postgresql.sql
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
  id TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C",
  email TEXT COLLATE "C" NOT NULL,
  "emailVerified" BIGINT,
  image TEXT COLLATE "C",
  created_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT uq_users_email UNIQUE (email)
);

-- freehold:statement
CREATE TABLE accounts (
  id TEXT COLLATE "C" NOT NULL,
  "userId" TEXT COLLATE "C" NOT NULL,
  type TEXT COLLATE "C" NOT NULL,
  provider TEXT COLLATE "C" NOT NULL,
  "providerAccountId" TEXT COLLATE "C" NOT NULL,
  refresh_token TEXT COLLATE "C",
  access_token TEXT COLLATE "C",
  expires_at BIGINT,
  token_type TEXT COLLATE "C",
  scope TEXT COLLATE "C",
  id_token TEXT COLLATE "C",
  session_state TEXT COLLATE "C",
  PRIMARY KEY (id),
  CONSTRAINT "fk_accounts_userId" FOREIGN KEY("userId") REFERENCES users (id) ON DELETE CASCADE,
  CONSTRAINT "uq_accounts_provider_providerAccountId" UNIQUE (provider, "providerAccountId")
);

-- freehold:statement
CREATE TABLE generations (
  id TEXT COLLATE "C" NOT NULL,
  user_id TEXT COLLATE "C" NOT NULL,
  idea TEXT COLLATE "C" NOT NULL,
  text_variations_json TEXT COLLATE "C" NOT NULL,
  images_json TEXT COLLATE "C" NOT NULL,
  selected_text_id TEXT COLLATE "C",
  selected_image_id TEXT COLLATE "C",
  created_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT fk_generations_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);

-- freehold:statement
CREATE INDEX generations_user_id_idx ON generations (user_id);

-- freehold:statement
CREATE TABLE linkedin_oauth_states (
  state TEXT COLLATE "C" NOT NULL,
  user_id TEXT COLLATE "C" NOT NULL,
  expires_at BIGINT NOT NULL,
  bound_to TEXT COLLATE "C",
  PRIMARY KEY (state),
  CONSTRAINT fk_linkedin_oauth_states_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);

-- freehold:statement
CREATE TABLE posts (
  id TEXT COLLATE "C" NOT NULL,
  user_id TEXT COLLATE "C" NOT NULL,
  title TEXT COLLATE "C" NOT NULL,
  content TEXT COLLATE "C" NOT NULL,
  image_url TEXT COLLATE "C",
  scheduled_at BIGINT,
  published_at BIGINT,
  status TEXT COLLATE "C" DEFAULT 'draft' NOT NULL,
  linkedin_post_urn TEXT COLLATE "C",
  error_message TEXT COLLATE "C",
  retry_count BIGINT DEFAULT 0 NOT NULL,
  claim_id TEXT COLLATE "C",
  lease_until BIGINT,
  fence BIGINT DEFAULT 0 NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT fk_posts_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
  CONSTRAINT ck_posts_status CHECK ("status" IN ('draft', 'scheduled', 'publishing', 'published', 'failed'))
);

-- freehold:statement
CREATE INDEX posts_scheduled_at_idx ON posts (scheduled_at NULLS FIRST);

-- freehold:statement
CREATE INDEX posts_status_idx ON posts (status);

-- freehold:statement
CREATE INDEX posts_user_id_idx ON posts (user_id);

-- freehold:statement
CREATE TABLE sessions (
  id TEXT COLLATE "C" NOT NULL,
  "sessionToken" TEXT COLLATE "C" NOT NULL,
  "userId" TEXT COLLATE "C" NOT NULL,
  expires BIGINT NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT "uq_sessions_sessionToken" UNIQUE ("sessionToken"),
  CONSTRAINT "fk_sessions_userId" FOREIGN KEY("userId") REFERENCES users (id) ON DELETE CASCADE
);

-- freehold:statement
CREATE TABLE user_settings (
  id TEXT COLLATE "C" NOT NULL,
  user_id TEXT COLLATE "C" NOT NULL,
  linkedin_profile_url TEXT COLLATE "C",
  linkedin_person_urn TEXT COLLATE "C",
  linkedin_connected SMALLINT DEFAULT 0,
  linkedin_access_token TEXT COLLATE "C",
  linkedin_refresh_token TEXT COLLATE "C",
  linkedin_token_expires_at BIGINT,
  linkedin_oauth_status TEXT COLLATE "C",
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  linkedin_headline TEXT COLLATE "C",
  voice_tones_json TEXT COLLATE "C",
  image_styles_json TEXT COLLATE "C",
  n8n_webhook_url TEXT COLLATE "C",
  PRIMARY KEY (id),
  CONSTRAINT fk_user_settings_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
  CONSTRAINT uq_user_settings_user_id UNIQUE (user_id),
  CONSTRAINT ck_user_settings_linkedin_connected CHECK ("linkedin_connected" IN (0, 1)),
  CONSTRAINT ck_user_settings_linkedin_oauth_status CHECK ("linkedin_oauth_status" IN ('connected', 'disconnected', 'expired'))
);

-- freehold:statement
CREATE TABLE "verificationTokens" (
  identifier TEXT COLLATE "C" NOT NULL,
  token TEXT COLLATE "C" NOT NULL,
  expires BIGINT NOT NULL,
  PRIMARY KEY (identifier, token),
  CONSTRAINT "uq_verificationTokens_token" UNIQUE (token)
);

-- freehold:sealed accounts.refresh_token
-- freehold:sealed accounts.access_token
-- freehold:sealed accounts.id_token
-- freehold:sealed user_settings.linkedin_access_token
-- freehold:sealed user_settings.linkedin_refresh_token
