"""
The face of the data layer: what the writer, the scout and the publisher may call.

One line a method and no rule: names, types, errors and docs come from the domain functions.
Only where the document's name is not the function's name in camelCase is the name said here.
"""

from __future__ import annotations

from freehold import Entrypoint, method
from hotmetal.domains import (
    activity,
    audit_logs,
    ideas,
    oauth_state,
    publication_outlets,
    publication_tokens,
    publications,
    sessions,
    social_connections,
    topics,
    users,
)


class DataLayer(Entrypoint):
    """Everything that the writer, the scout and the publisher may ask of HotMetal's data."""

    crosses_users = "The writer, the scout and the publisher act for all users of HotMetal."

    # Users
    get_user_by_id = users.get_user_by_id
    get_user_by_email = users.get_user_by_email
    create_user = users.create_user
    update_user = users.update_user
    list_users = users.list_users

    # Sessions
    create_session = sessions.create_session
    get_session_by_id = sessions.get_session_by_id
    list_sessions = sessions.list_sessions
    update_session = sessions.update_session

    # Publications
    create_publication = publications.create_publication
    get_publication_by_id = publications.get_publication_by_id
    list_publications_by_user = publications.list_publications_by_user
    list_all_publications = publications.list_all_publications
    update_publication = publications.update_publication
    delete_publication = publications.delete_publication
    get_due_publications = publications.get_due_publications
    get_publications_with_null_schedule = publications.get_publications_with_null_schedule
    update_publication_next_scout_at = publications.update_publication_next_scout_at
    claim_scout_run = publications.claim_scout_run
    get_all_publication_ids = publications.get_all_publication_ids

    # Topics
    create_topic = topics.create_topic
    get_topic_by_id = topics.get_topic_by_id
    list_topics_by_publication = topics.list_topics_by_publication
    update_topic = topics.update_topic
    delete_topic = topics.delete_topic

    # Ideas
    create_idea = ideas.create_idea
    create_ideas = ideas.create_ideas
    get_idea_by_id = ideas.get_idea_by_id
    list_ideas_by_publication = ideas.list_ideas_by_publication
    update_idea_status = ideas.update_idea_status
    promote_idea = ideas.promote_idea
    count_ideas_by_publication = ideas.count_ideas_by_publication
    count_ideas_by_status = ideas.count_ideas_by_status
    get_recent_ideas_by_publication = ideas.get_recent_ideas_by_publication

    # Activity
    get_recent_activity = activity.get_recent_activity

    # What the scout asks before it writes by itself
    count_completed_sessions_for_week = sessions.count_completed_sessions_for_week

    # Audit logs
    write_audit_log = audit_logs.write_audit_log
    list_audit_logs = audit_logs.list_audit_logs

    # OAuth state
    store_oauth_state = method(oauth_state.store_oauth_state, name="storeOAuthState")
    validate_and_consume_oauth_state = method(
        oauth_state.validate_and_consume_oauth_state, name="validateAndConsumeOAuthState"
    )

    # Social connections
    create_social_connection = social_connections.create_social_connection
    get_social_connections_by_user = social_connections.get_social_connections_by_user
    get_social_connection_by_id = social_connections.get_social_connection_by_id
    get_social_connection_with_decrypted_tokens = method(
        social_connections.get_social_connection_with_decrypted_tokens, scope="connection_tokens"
    )
    update_social_connection_tokens = social_connections.update_social_connection_tokens
    claim_token_refresh = social_connections.claim_token_refresh
    delete_social_connection = social_connections.delete_social_connection
    has_valid_social_connection = social_connections.has_valid_social_connection

    # Publication outlets
    create_publication_outlet = publication_outlets.create_publication_outlet
    list_outlets_by_publication = publication_outlets.list_outlets_by_publication
    delete_publication_outlet = publication_outlets.delete_publication_outlet

    # Publication tokens
    create_publication_token = method(publication_tokens.create_publication_token, reveals=True)
    validate_publication_token = method(
        publication_tokens.validate_publication_token, aliases={"tokenHash": "token"}
    )
    revoke_publication_token = publication_tokens.revoke_publication_token
    list_publication_tokens = publication_tokens.list_publication_tokens
