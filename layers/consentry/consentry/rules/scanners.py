"""Scanners: programs that say in their user agent that they open links for somebody's safety, or to preview them.

What they post says nothing about what the person wants. Most mail scanners say nothing of the kind and look like
browsers; those are recognised by what they do. Programs that are merely programs (curl, python-requests) aren't listed:
who uses them means it.

Sources: the lists of crawler-user-agents (https://github.com/monperrus/crawler-user-agents) and Matomo's device
detector (https://github.com/matomo-org/device-detector, regexes/bots.yml); Google's own, of fetchers
(https://developers.google.com/crawling/docs/crawlers-fetchers/google-user-triggered-fetchers); reports of senders, such
as https://github.com/mautic/mautic/issues/16263.
"""

from __future__ import annotations

import re
from typing import Final

_NAMES: Final = re.compile(
    # Mail security.
    r"barracuda|mimecast|proofpoint|urldefense|messagelabs|symantec|trend ?micro|ironport|cisco ?secure|safelinks"
    r"|microsoft-urlanalyzer|microsoft office existence discovery|sophos|forcepoint|fortinet|fireeye|bitdefender"
    r"|zscaler"
    # Previews of links, in mail and chat.
    r"|facebookexternalhit|skypeuripreview|microsoftpreview|bingpreview|whatsapp/|googleimageproxy|yahoomailproxy"
    # Google's fetchers and crawlers.
    r"|google-(?:safety|read-aloud|inspectiontool|site-verification|pagerenderer)|feedfetcher-google"
    # Whatever calls itself a bot; Cubot makes telephones.
    r"|(?<!cu)bot(?:[/;,)\s-]|$)",
    re.IGNORECASE,
)


def recognised(user_agent: str) -> bool:
    """Whether this is a scanner, previewer or bot by its own account."""
    return _NAMES.search(user_agent) is not None
