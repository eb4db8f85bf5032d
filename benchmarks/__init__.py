"""Side by side: Gatehouse and the proxies that people know, at the same work, in one run.

The problem: absolute numbers of one machine say nothing. The rule: each proxy is pinned to one core, load and
upstream to the other; every peer does the same work, configured as its documentation advises; rounds alternate;
what counts is CPU time per request, as a ratio of the same run. Any answer that is not 2xx voids the row.
"""
