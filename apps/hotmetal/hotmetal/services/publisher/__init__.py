"""
The publisher: puts posts on the blog and on LinkedIn, once, and has each attempt in the audit log.

An attempt is noted in the local store before anything is sent (`store`), carried through by the
outlet (`blog`, `on_linkedin`), and settled (`attempts`). What a crash or a lost answer leaves
open is asked of the provider before anything is sent again. `oauth_routes`, `oauth_client` and
`tokens` are the way to LinkedIn.
"""
