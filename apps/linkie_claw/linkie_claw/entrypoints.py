"""
The face of the data layer: what the web application, its scheduler and its sign-in may call.

One line a method and no rule: names, types, errors and docs come from the domain functions.
Only where the document's name is not the function's name in camelCase is the name said here.
A method without a word works for one user, whom it names. One with a word works across users,
which `crosses_users` says of that word, or gives a secret away; it needs a key that holds the word:

    scheduler         the posts of all users: claim, result, retry, recovery
    sign_in           users, accounts, sessions, tokens and OAuth states by what proves them
    linkedin_tokens   the LinkedIn token itself
"""

from __future__ import annotations

from freehold import Entrypoint, method
from linkie_claw.domains import (
    analytics,
    generations,
    oauth_states,
    posts,
    scheduler,
    sessions,
    settings,
    users,
)


class DataLayer(Entrypoint):
    """Everything that may be asked of Linkie Claw's data."""

    crosses_users = {
        "scheduler": "The posts of all users are published by one scheduler.",
        "sign_in": "Who signs in is not known yet; what proves who it is, names the row.",
    }

    # Posts
    get_all_posts = posts.get_all_posts
    get_post_by_id = posts.get_post_by_id
    create_post = posts.create_post
    update_post = posts.update_post
    delete_post = posts.delete_post
    get_scheduled_posts = posts.get_scheduled_posts
    get_posts_by_month = posts.get_posts_by_month
    get_recent_drafts = posts.get_recent_drafts
    schedule_post = posts.schedule_post
    unschedule_post = posts.unschedule_post
    get_stuck_posts = posts.get_stuck_posts
    recover_post = posts.recover_post

    # The scheduler, over all users
    get_posts_ready_to_publish = method(scheduler.get_posts_ready_to_publish, scope="scheduler")
    get_stale_publishing_posts = method(scheduler.get_stale_publishing_posts, scope="scheduler")
    get_post_for_publishing = method(scheduler.get_post_for_publishing, scope="scheduler")
    claim_ready_posts = method(scheduler.claim_ready_posts, scope="scheduler")
    mark_post_as_publishing = method(scheduler.mark_post_as_publishing, scope="scheduler")
    mark_post_as_published = method(scheduler.mark_post_as_published, scope="scheduler")
    mark_post_as_failed = method(scheduler.mark_post_as_failed, scope="scheduler")
    mark_dispatch_failed = method(scheduler.mark_dispatch_failed, scope="scheduler")
    reschedule_post_for_retry = method(scheduler.reschedule_post_for_retry, scope="scheduler")
    increment_post_retry_count = method(scheduler.increment_post_retry_count, scope="scheduler")
    reset_stale_post = method(scheduler.reset_stale_post, scope="scheduler")
    recover_stale_posts = method(scheduler.recover_stale_posts, scope="scheduler")

    # Generations
    create_generation = generations.create_generation
    get_generation_by_id = generations.get_generation_by_id
    update_generation_selections = generations.update_generation_selections
    get_recent_generations = generations.get_recent_generations

    # Settings
    get_user_settings = settings.get_user_settings
    upsert_user_settings = settings.upsert_user_settings
    get_user_voice_tones = settings.get_user_voice_tones
    save_user_voice_tones = settings.save_user_voice_tones
    get_user_image_styles = settings.get_user_image_styles
    save_user_image_styles = settings.save_user_image_styles
    get_linkedin_access_token = method(
        settings.get_linkedin_access_token,
        name="getLinkedInAccessToken",
        scope="linkedin_tokens",
    )

    # LinkedIn OAuth states
    create_linkedin_oauth_state = oauth_states.create_linkedin_oauth_state
    get_linkedin_oauth_state = method(oauth_states.get_linkedin_oauth_state, scope="sign_in")
    consume_linkedin_oauth_state = method(
        oauth_states.consume_linkedin_oauth_state, scope="sign_in"
    )
    delete_linkedin_oauth_state = method(oauth_states.delete_linkedin_oauth_state, scope="sign_in")
    cleanup_expired_linkedin_oauth_states = method(
        oauth_states.cleanup_expired_linkedin_oauth_states, scope="scheduler"
    )

    # Dashboard and analytics
    get_dashboard_stats = analytics.get_dashboard_stats
    get_publishing_success_rate = analytics.get_publishing_success_rate
    get_posts_over_time = analytics.get_posts_over_time
    get_recent_posts = posts.get_recent_posts
    get_generation_count = analytics.get_generation_count
    get_posts_by_status = analytics.get_posts_by_status
    get_publishing_trend = analytics.get_publishing_trend
    get_top_posts = analytics.get_top_posts
    get_content_generation_stats = analytics.get_content_generation_stats
    get_scheduling_patterns = analytics.get_scheduling_patterns

    # Sign-in: users and accounts
    get_user_by_id = method(users.get_user_by_id, scope="sign_in")
    get_user_by_email = method(users.get_user_by_email, scope="sign_in")
    get_user_by_account = method(users.get_user_by_account, scope="sign_in")
    create_user = method(users.create_user, scope="sign_in")
    update_user = method(users.update_user, scope="sign_in")
    delete_user = method(users.delete_user, scope="sign_in")
    link_account = method(users.link_account, scope="sign_in")
    unlink_account = method(users.unlink_account, scope="sign_in")
    sign_in_with_account = method(users.sign_in_with_account, scope="sign_in")
    get_accounts_by_user = users.get_accounts_by_user

    # Sign-in: sessions and verification tokens
    create_session = method(sessions.create_session, scope="sign_in")
    get_session_and_user = method(sessions.get_session_and_user, scope="sign_in")
    update_session = method(sessions.update_session, scope="sign_in")
    delete_session = method(sessions.delete_session, scope="sign_in")
    delete_expired_sessions = method(sessions.delete_expired_sessions, scope="scheduler")
    create_verification_token = method(sessions.create_verification_token, scope="sign_in")
    use_verification_token = method(sessions.use_verification_token, scope="sign_in")
