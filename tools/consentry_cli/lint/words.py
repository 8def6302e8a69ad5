"""The words by which texts offer a way to unsubscribe, in the languages of our own pages and in others.

Words are looked for by their stems, so that inflected forms count, and verbs that come apart in their parts. They, and
the texts, are compared without case, accents and characters that nobody sees.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_APART: Final = "[^.!?]{0,80}?"
"""What stands between the parts of a verb: less than a sentence."""

_STEMS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": (
        r"un[- ]?subscri",
        r"\bunsubs?(?![a-z])",
        r"\bopt(?:ed|ing|s)?[ -]?(?:me[ -])?out",
        r"preferences",
        r"stop (?:receiving|getting|these)",
        r"(?:no longer|not|don.?t) (?:wish|want|like) to (?:receive|get|be)",
        r"no longer receive",
        r"(?:n.t|not) want (?:these|those|this|our|any|more)",
        r"(?:not|no longer) interested",
        rf"\b(?:rather|prefer) not {_APART}(?:receive|get|hear)",
        rf"\b(?:cease|discontinue)\b {_APART}(?:receiv|mail|sending)",
        rf"\bwithdraw\b {_APART}consent",
        r"\btaken off\b",
        r"\bremove (?:me|yourself)\b",
        r"\b(?:be|get) removed",
        rf"\b(?:remove[ds]?|take) {_APART}\b(?:from|off) (?:this|our|the|any)\b",
        r"\b(?:sign|log)[ -]?off",
        r"(?:email|e-mail|mail|notification|subscription|alert)s? settings",
        r"leave (?:this|the|our)[\w ]{0,30} list",
        rf"\b(?:manage|update|change|edit|cancel|modify)\b {_APART}(?:subscription|notification|\balerts)",
        rf"\b(?:manage|cancel|stop|change how)\b {_APART}\be-?mails?\b",
        rf"\b(?:turn|switch)(?:ing)? off {_APART}(?:email|e-mail|mail|notification|alert)",
        r"mute (?:this|the) ",
    ),
    "de": (
        r"ab(?:zu|ge)?meld",
        rf"\bmeld(?:e|en|est|et)?\b{_APART}\bab\b",
        r"ab(?:zu)?bestell",
        r"\babbest",
        rf"\bbestell(?:e|en|st|t)?\b{_APART}\bab\b",
        r"aus(?:zu|ge)?trag",
        rf"\btrag(?:e|en|st|t)?\b{_APART}\baus\b",
        r"ab(?:zu)?wahl",
        rf"kundig\w{{0,20}} {_APART}(?:newsletter|\babo)",
        rf"(?:newsletter|\babo\w{{0,20}}) {_APART}(?:ge)?kundig",
        r"deabonn",
        r"de-?aktivier",
        r"widersprech",
        rf"einwilligung {_APART}widerruf",
        rf"widerruf\w{{0,20}} {_APART}einwilligung",
        rf"\b(?:abo|abonnement|newsletter)\b {_APART}(?:zu )?beende",
        rf"\bnichts mehr {_APART}(?:horen|erhalten|bekommen|empfangen|lesen)",
        r"aus (?:dem|unserem|der|unserer|diesem) (?:e-?mail-?)?(?:verteiler|liste|mailing)",
        rf"\bkeine[nr]? {_APART}\b(?:mehr|erhalten|bekommen|empfangen)",
        r"nicht (?:mehr|langer|weiter) (?:erhalten|bekommen|empfangen|beziehen|zu(?:ge)?s|informiert)",
        r"voreinstellung",
        r"(?:newsletter|e-?mail|benachrichtigungs)-?(?: )?einstellung",
        r"einstellungen (?:verwalten|andern|anpassen)",
    ),
    "fr": (
        r"des-?(?:abonn|inscri|inscr)",
        r"resili",
        rf"\bne {_APART}\bplus (?:recev|vous|etre)",
        r"\bne rece\w{0,20} plus\b",
        r"\b(?:vous|s.|m.)[ ]?opposer",
        rf"\bquitter {_APART}\bliste",
        rf"\b(?:retirer|supprimer|effacer)\b {_APART}(?:adresse|liste|e-?mail)",
        r"\bplus (?:recevoir|souhait)",
        rf"\bne (?:plus )?(?:souhait|desir|voul)\w{{0,20}} {_APART}(?:plus|recev)",
        rf"(?:annul|supprim|arret|cess|stopp)\w{{0,20}} {_APART}(?:abonnement|inscript|rece[pv]|mail|newsletter|envoi)",
        r"preferences",
        r"retir(?:er|ez)[ -](?:vous|de (?:la|cette|notre) list)",
        r"gerer (?:vos|mes|votre|mon)",
    ),
    "es": (
        r"\bbaja\b",
        r"\bbaja(?:te|rse|rme|rte)\b",
        rf"\bborra\w{{0,20}} {_APART}lista",
        r"cancel(?:a|ar|e|es|acion)\b",
        r"anul(?:a|ar|e|acion)\b",
        r"de(?:s|)-?(?:sub?scri|inscri|apunt|abon)",
        r"dej(?:a|ar|e|es) de recibir",
        rf"\bno (?:dese|quier|recib)\w{{0,20}} {_APART}(?:recib|mas)",
        r"preferencias",
        rf"elimin(?:ar|a|e)\w{{0,20}} {_APART}(?:lista|suscrip)",
    ),
    "it": (
        r"dis-?(?:iscri|abbon|attiv|dett)",
        rf"annull\w{{0,20}} {_APART}(?:iscrizion|abbonament|sottoscri|ricezion)",
        r"revoc",
        r"cancell(?:a|ar|arsi|ati|arti|ami|azione|i)\b",
        rf"non (?:vuo|desider|vole|ricever)\w{{0,20}} {_APART}(?:ricever|piu)",
        r"(?:smett|interromp)\w{0,20} (?:di )?(?:ricev|la ricez|l.invio)",
        r"preferenze",
        r"\bcancellare\b",
        r"\bdis(?:dire|dici|dica|detta)\b",
        r"\brimuov(?:imi|ermi|ici|ersi|iti|erti)\b",
        rf"rimuov\w{{0,20}} {_APART}(?:list|indirizz|newsletter)",
    ),
    "pt": (
        r"descadastr",
        r"de(?:s|s-)?(?:inscri|inscrev|sub?scri|sub?screv|assin)",
        r"cancel(?:a|ar|e|es|amento)\b",
        r"remov(?:er|a|ido|am)\b",
        r"remocao",
        r"\bdesativ(?:ar|e|acao)\b",
        rf"\bretir(?:ar|e)\b {_APART}(?:e-?mail|lista|endereco)",
        r"anul(?:a|ar|e)\b",
        r"(?:deix|par)(?:ar|e|a) de receber",
        rf"nao (?:desej|quer|quis|pretend|receb)\w{{0,20}} {_APART}(?:receb|mais)",
        r"preferencias",
        r"sair (?:da|desta|dessa|de nossa) ",
    ),
    "nl": (
        r"af(?: te |ge)?meld",
        rf"\bmeld(?:t|en)?\b{_APART}\baf\b",
        r"uit(?: te |ge)?schr",
        r"\bopzeg",
        r"op te zegg",
        rf"\bschrijf(?:t)?\b{_APART}\buit\b",
        r"opgezegd",
        rf"\bliever geen\b {_APART}mail",
        rf"(?:abonnement|nieuwsbrief|inschrijving) {_APART}(?:te )?beeindig",
        rf"\bzeg(?:t|gen)?\b{_APART}\bop\b",
        r"voorkeuren",
        rf"\bgeen {_APART}(?:meer|ontvangen)",
        r"niet (?:meer|langer) (?:te )?(?:wil|wenst|ontvang)\w{0,20}",
        r"stopzett",
    ),
    "pl": (
        r"rezygn",
        r"wyrejestr",
        rf"\bprzesta\w{{0,20}} {_APART}otrzym",
        rf"\bzakoncz\w{{0,20}} {_APART}(?:subskr|otrzym)",
        r"wypis",
        r"anul(?:uj|ow)",
        r"subskryp",
        r"subskryb",
        rf"nie (?:chc|zycz)\w{{0,20}} {_APART}(?:otrzym|dosta)",
        rf"usun\w{{0,20}} {_APART}(?:list|baz|adres|e-?mail)",
        rf"wycof\w{{0,20}} {_APART}zgod",
        r"preferencj",
        rf"wylacz\w{{0,20}} {_APART}(?:powiad|mail)",
    ),
    "ja": (
        r"(?:配信|購読|登録|受信|メール|メルマガ|マガジン|ニュースレター|送信)(?:[をのがは]|配信|メール){0,3}(?:停止|解除|中止|不要|拒否|変更|取り?消|削除|抹消|キャンセル|やめ|止め)",
        r"解除",
        r"退会",
        r"オプトアウト",
        r"アンサブスクライブ",
        r"受け取り?(?:[をの])?(?:停止|中止|やめ|拒否)",
        r"(?:受信|配信|メール)設定",
        r"希望(?:され|し)ない",
        r"不要な(?:方|場合)",
        r"受け取(?:ら|りた)な?く?ない",
        r"停止(?:を?ご?希望|したい|する|はこちら|手続)",
    ),
    "ar": (
        r"الغاء",
        r"[اتين]لغ(?:ي|اؤه|اءه)? ?(?:ال)?(?:اشتراك|ه\b)",
        rf"\bلا (?:ترغب|تريد|اريد|ارغب) {_APART}(?:تلقي|استلام|استقبال|رسا|بريد|وصول)",
        r"\bلم (?:تعد|اعد) (?:ترغب|تريد|ارغب|اريد)",
        r"الغاؤه",
        rf"\bحذف\b {_APART}(?:القائم|قائم|بريد)",
        r"الغ(?:ي)? (?:ال)?اشتراك",
        r"ايقاف",
        r"انهاء",
        r"انسحاب",
        r"عدم (?:ال)?(?:تلقي|استلام|رغب)",
        r"ازال",
        r"تفضيلات",
        r"التوقف عن",
    ),
    "others": (
        r"avregistr",
        r"avprenumer",
        r"avsluta",
        r"avanmal",
        r"avmeld",
        r"afmeld",
        r"meld (?:deg|dig) (?:av|fra|ud)",
        r"frameld",
        r"peruut",
        r"peru tilau",
        r"poistu",
        r"odhlas",
        r"leiratkoz",
        r"отпис",
        rf"\bне (?:хот|жела)\w{{0,20}} {_APART}получ",
        rf"(?:отключ|отмен|настро)\w{{0,20}} {_APART}(?:рассыл|оповещ|уведомл|подписк)",
        r"отказ",
        r"відпис",
        r"dezabon",
        r"abonelik",
        r"listeden",
        r"退订",
        r"退訂",
        r"取消订阅",
        r"取消訂閱",
        r"수신 ?거부",
        r"구독 ?(?:취소|해지)",
        r"διαγραφ",
        r"καταργ",
        r"להסרה",
        r"הסר",
        r"huy dang ky",
        r"ยกเลิก",
        r"berhenti berlangganan",
        r"d(?:on)?ar(?:-se)? (?:de )?baixa",
        r"odjav",
        r"atsisak",
        r"atrakst",
        r"tuhista",
    ),
}
"""By language, regular expressions for stems; accents are left out of both."""


@cache
def _unseen() -> dict[int, str | None]:
    """Accents, and what nobody sees (soft hyphens, joiners, the lengthening of Arabic), as `str.translate` takes it.

    Letters with a stroke lose it: Unicode doesn't take that for an accent.
    """
    last = min(0x20000, sys.maxunicode)
    found: dict[int, str | None] = dict.fromkeys(
        code for code in range(last) if unicodedata.category(chr(code)) in {"Mn", "Cf"}
    )
    return found | {0x640: None} | {ord(stroke): plain for stroke, plain in zip("łŁøØđĐ", "lLoOdD", strict=True)}


@cache
def _pattern() -> re.Pattern[str]:
    stems = dict.fromkeys(stem for several in _STEMS.values() for stem in several)
    return re.compile("|".join(map(_folded, stems)))


def _folded(text: str) -> str:
    # Accents first: putting a long run of them in order takes a time that grows with its square.
    bare = unicodedata.normalize("NFKD", text.translate(_unseen()))
    return bare.translate(_unseen()).replace("\u2019", "'").casefold()


def plain(text: str) -> str:
    """A text as it is searched: without case, accents and what nobody sees, each stretch of white space a blank."""
    return _SPACE.sub(" ", _folded(text))


_SPACE: Final = re.compile(r"\s+")


def places(text: str) -> list[tuple[int, int]]:
    """Where in a text, as `plain` has it, words offer to unsubscribe: begin and end, in their order."""
    return [found.span() for found in _pattern().finditer(text)]


def offers(text: str) -> bool:
    """Whether a text, as `plain` has it, holds words that offer to unsubscribe."""
    return _pattern().search(text) is not None
