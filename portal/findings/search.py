"""Words of findings: how text becomes terms, and the BM25 ranking over them in plain SQL.

Robertson & Zaragoza 2009, with k1 = 1.2 and b = 0.75. Every statistic that enters a score (number of findings, document
frequencies, average length) is taken over the rows the caller may see, so a hidden finding influences nothing.
"""

import re
import unicodedata
from collections import Counter

_WORD = re.compile(r"[^\W_]+", re.UNICODE)
_MAX_TERM = 64
_TITLE_WEIGHT = 2
MAX_QUERY_TERMS = 16


def terms(text: str) -> list[str]:
    """The terms of a text in order: compatibility-normalised, case-folded words of at most 64 characters."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return [word[:_MAX_TERM] for word in _WORD.findall(folded)]


def occurrences(title: str, summary: str) -> Counter[str]:
    """How often each term occurs; a title's word counts twice."""
    counts = Counter(terms(summary))
    for term in terms(title):
        counts[term] += _TITLE_WEIGHT
    return counts


def query_terms(text: str) -> list[str]:
    """The distinct terms that a query is answered by, at most sixteen."""
    return list(dict.fromkeys(terms(text)))[:MAX_QUERY_TERMS]


RANKED = """
    statistics AS (SELECT count(*) AS n, avg(words) AS mean_words FROM visible),
    hit AS (
        SELECT v.finding_id, v.words, p.term, p.occurrences
        FROM finding_posting p JOIN visible v USING (finding_id)
        WHERE list_contains(?::VARCHAR[], p.term)
    ),
    frequency AS (SELECT term, count(*) AS findings FROM hit GROUP BY term),
    ranked AS (
        SELECT h.finding_id, round(sum(
            ln(1 + (s.n - f.findings + 0.5) / (f.findings + 0.5))
            * h.occurrences * 2.2 / (h.occurrences + 1.2 * (0.25 + 0.75 * h.words / s.mean_words))
        ), 9) AS score
        FROM hit h JOIN frequency f USING (term) CROSS JOIN statistics s
        GROUP BY h.finding_id
    )
"""
"""Scores over a ``visible(finding_id, words)`` relation; takes the list of query terms as its one parameter.

Rounded, so that a score is the same number whichever order its summands came in, and can be paged by.
"""

UNRANKED = "ranked AS (SELECT finding_id, 0.0 AS score FROM visible)"
"""What takes the place of ``RANKED`` without a query: newest first."""
