"""
Small servers that speak the wire of what HotMetal talks to: CMS, LinkedIn, news, search, model.

Tests talk to them, and a run without any outside service has the CMS and the news from here.
Each is a process of its own (`python -m hotmetal.stand_ins.cms`) and fails when it is told to.
"""
