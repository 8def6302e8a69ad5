"""Mailbox providers: which domains have a budget of emails of their own, and which are everybody's.

A domain whose owner hands out names as they like (a company's, a family's, a catch-all) is one recipient to whoever
bombs it. A large provider's has millions of people who don't know each other.
"""

from __future__ import annotations

from typing import Final

LARGE: Final = frozenset(
    """
    gmail.com icloud.com mac.com me.com
    hotmail.com live.com msn.com outlook.com windowslive.com
    hotmail.be hotmail.ca hotmail.co.uk hotmail.com.ar hotmail.com.br hotmail.com.mx hotmail.de hotmail.es hotmail.fr
    hotmail.it hotmail.nl hotmail.se live.be live.ca live.cn live.co.uk live.com.ar live.com.au live.com.mx live.com.pt
    live.de live.dk live.fr live.ie live.it live.jp live.nl live.no live.se outlook.at outlook.be outlook.co.uk
    outlook.com.br outlook.de outlook.dk outlook.es outlook.fr outlook.it outlook.jp outlook.pt
    aim.com aol.com aol.de aol.fr aol.co.uk rocketmail.com yahoo.ca yahoo.co.id yahoo.co.in yahoo.co.jp yahoo.co.kr
    yahoo.co.uk yahoo.com yahoo.com.ar yahoo.com.au yahoo.com.br yahoo.com.hk yahoo.com.mx yahoo.com.ph yahoo.com.sg
    yahoo.com.tw yahoo.com.vn yahoo.de yahoo.es yahoo.fr yahoo.ie yahoo.in yahoo.it yahoo.pl yahoo.se ymail.com
    fastmail.com fastmail.fm hushmail.com mail.com mailbox.org pm.me posteo.de proton.me protonmail.ch protonmail.com
    tuta.com tuta.io tutanota.com tutanota.de zoho.com zohomail.com
    arcor.de freenet.de gmx.at gmx.ch gmx.com gmx.de gmx.fr gmx.net online.de t-online.de web.de
    a1.net aon.at bluewin.ch sunrise.ch
    alice-dsl.net bbox.fr free.fr laposte.net neuf.fr numericable.fr orange.fr sfr.fr wanadoo.fr
    proximus.be skynet.be telenet.be voo.be
    home.nl hetnet.nl kpnmail.nl planet.nl upcmail.nl xs4all.nl ziggo.nl
    alice.it inwind.it iol.it libero.it tim.it tin.it tiscali.it virgilio.it
    movistar.es telefonica.net terra.es
    bol.com.br globo.com ig.com.br r7.com terra.com.br uol.com.br
    arnet.com.ar fibertel.com.ar prodigy.net.mx speedy.com.ar
    clix.pt netcabo.pt sapo.pt
    blueyonder.co.uk bt.com btinternet.com btopenworld.com eircom.net ntlworld.com o2.co.uk sky.com talktalk.co.uk
    talktalk.net tiscali.co.uk virgin.net virginmedia.com
    att.net bellsouth.net centurylink.net charter.net comcast.net cox.net earthlink.net frontier.com juno.com
    netzero.net optonline.net sbcglobal.net verizon.net windstream.net
    bell.net rogers.com shaw.ca sympatico.ca telus.net videotron.ca
    bigpond.com bigpond.net.au iinet.net.au internode.on.net optusnet.com.au xtra.co.nz
    bredband.net comhem.se spray.se telia.com
    getmail.no online.no mail.dk
    elisanet.fi kolumbus.fi saunalahti.fi suomi24.fi
    interia.pl o2.pl onet.pl op.pl poczta.onet.pl tlen.pl vp.pl wp.pl
    centrum.cz email.cz post.cz seznam.cz volny.cz azet.sk
    freemail.hu citromail.hu abv.bg inbox.lt inbox.lv mail.ee otenet.gr
    bk.ru inbox.ru list.ru mail.ru rambler.ru ya.ru yandex.com yandex.ru i.ua ukr.net
    walla.co.il walla.com mynet.com rediffmail.com
    126.com 139.com 163.com 189.cn aliyun.com foxmail.com qq.com sina.cn sina.com sohu.com yeah.net
    pchome.com.tw hinet.net
    docomo.ne.jp au.com ezweb.ne.jp i.softbank.jp softbank.ne.jp ymobile.ne.jp nifty.com biglobe.ne.jp ocn.ne.jp
    so-net.ne.jp
    daum.net hanmail.net nate.com naver.com
    """.split()  # noqa: SIM905 - as words people can read it
)
"""Where anybody can have a mailbox: from Mailcheck's list of popular domains
(https://github.com/mailcheck/mailcheck/wiki/List-of-Popular-Domains), and the large mailbox and Internet providers that
Thunderbird knows (https://github.com/thunderbird/autoconfig). One that is missing has a domain's budget, no more."""
_REGISTRIES: Final = frozenset(
    """
    ac asso co com ed edu firm gen go gob gouv gov govt gv id ind ltd me mil ne net nom or org plc police sch school web
    """.split()  # noqa: SIM905 - as above
)
"""What countries' registries call the second level under which they register names (https://publicsuffix.org/list/)."""


def one_owners(domain: str) -> str:
    """The domain as which emails to `domain` are counted: what somebody registered; empty at large providers.

    It has two labels, or three beneath a registry's second level: `a.b.example.com` is `example.com`, and
    `mail.example.co.uk` is `example.co.uk`. The public suffix list would know it for certain; it is larger than the
    rest of this layer. Where the two differ, neighbours share a budget (`x.k12.ca.us` and `y.k12.ca.us`). No owner has
    a second one, but of a name that is one of a registry's itself (`co.de`).
    """
    if domain in LARGE:
        return ""
    labels = domain.split(".")
    country = len(labels[-1]) == 2  # noqa: PLR2004 - ISO 3166's codes, which only countries have
    return ".".join(labels[-3:] if country and labels[-2] in _REGISTRIES else labels[-2:])
