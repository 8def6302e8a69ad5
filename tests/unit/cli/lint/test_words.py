"""Words that offer to unsubscribe: their forms in every language of the pages, and words that are none."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Final

import pytest

from consentry_cli.lint import words

FORMS: Final = {
    "en": (
        "unsubscribed",
        "unsubscribing",
        "unsubscription",
        "un-subscribe",
        "Opt-out",
        "opted out",
        "Opting out",
        "Email preferences",
        "Manage your emails",
        "Stop these emails",
        "Don’t want these emails?",
        "Not interested anymore?",
        "If you'd rather not receive our emails",
        "cease receiving",
        "withdraw your consent",
        "Remove me",
        "be taken off our list",
        "Turn off notifications",
    ),
    "de": (
        "abmelden",
        "abzumelden",
        "abgemeldet",
        "Abmeldung",
        "meldest du dich ab",
        "bestellen Sie ihn ab",
        "abzubestellen",
        "Abbestellung",
        "auszutragen",
        "ausgetragen",
        "tragen Sie sich aus",
        "Newsletter kündigen",
        "keine Mails mehr",
        "nicht mehr zusenden",
        "nicht länger erhalten",
        "Einwilligung widerrufen",
        "widersprechen",
        "nichts mehr von uns hören",
        "aus dem Verteiler",
        "Abo beenden",
        "abzuwählen",
    ),
    "fr": (
        "désabonner",
        "désabonnez-vous",
        "désabonnement",
        "désinscrit",
        "désinscription",
        "Me désinscrire",
        "résilier",
        "ne plus recevoir",
        "ne recevez plus",
        "ne souhaitez plus",
        "vous opposer",
        "Gérer mes préférences",
        "annuler votre abonnement",
        "quitter la liste",
        "retirer mon adresse",
    ),
    "es": (
        "darse de baja",
        "darte de baja",
        "dese de baja",
        "dé de baja",
        "cancela tu suscripción",
        "anular la suscripción",
        "desuscríbete",
        "dejes de recibir",
        "no desea seguir recibiendo",
        "ya no quieres recibir",
        "eliminar de la lista",
        "bájate",
        "borrarte de la lista",
        "Desapuntarme",
    ),
    "it": (
        "disiscriversi",
        "disiscriviti",
        "disiscrizione",
        "annullare l’iscrizione",
        "cancellati",
        "cancellazione",
        "non vuoi più ricevere",
        "non desidera ricevere",
        "smettere di ricevere",
        "revocare il consenso",
        "Disdici",
        "rimuovimi",
        "disattivare",
    ),
    "pt": (
        "descadastre-se",
        "descadastro",
        "cancele a inscrição",
        "cancelamento",
        "anule a subscrição",
        "remova-me",
        "remoção",
        "deixe de receber",
        "não quiser receber",
        "não quero mais receber",
        "desinscreva-se",
        "dessubscrever",
        "sair da lista",
        "desativar",
        "parar de receber",
    ),
    "nl": (
        "afmelden",
        "af te melden",
        "afgemeld",
        "meldt u zich af",
        "uitschrijven",
        "uit te schrijven",
        "uitgeschreven",
        "schrijft u zich hier uit",
        "op te zeggen",
        "opgezegd",
        "zeg je abonnement op",
        "geen mails meer",
        "niet meer ontvangen",
        "stopzetten",
        "liever geen e-mails",
        "abonnement beëindigen",
    ),
    "pl": (
        "wypisać",
        "wypisz się",
        "wypisujesz",
        "zrezygnować",
        "zrezygnuj",
        "rezygnuję",
        "anuluj subskrypcję",
        "anulowanie",
        "odsubskrybuj",
        "nie chcę już otrzymywać",
        "usuń mnie z listy",
        "wycofać zgodę",
        "wyrejestruj",
        "przestać otrzymywać",
        "wyłącz powiadomienia",
    ),
    "ja": (
        "配信停止",
        "配信を停止",
        "配信の停止",
        "配信を解除する",
        "購読解除",
        "購読を中止",
        "登録の解除",
        "退会する",
        "受信拒否",
        "配信を希望されない方",
        "メールが不要な場合",
        "停止をご希望の方",
        "オプトアウト",
        "メルマガの解除",
        "受け取りを停止",
        "受信設定の変更",
    ),
    "ar": (
        "إلغاء الاشتراك",
        "لإلغاء اشتراكك",
        "ألغِ اشتراكك",
        "الغاء الإشتراك",
        "إيقاف الرسائل",
        "التوقف عن تلقي",
        "عدم تلقي",
        "لا ترغب في تلقي",
        "لم تعد ترغب في استلام",
        "إزالة بريدك",
        "الانسحاب من القائمة",
        "يمكنك إلغاؤه",
        "تلغي اشتراكك",
        "إِلْغَاء الاِشْتِرَاك",
    ),
}
"""By language, forms as newsletters have them."""
OTHERS: Final = (
    "News of the week",
    "Our shop",
    "Widerrufsrecht",
    "Bestellung ansehen",
    "Wir melden uns bald",
    "We will take you on a tour",
    "We send you an e-mail",
    "Subscribe now",
    "Jetzt abonnieren",
    "S’abonner",
    "Ne manquez plus rien",
    "Suscribirse",
    "Iscriviti",
    "購読する",
    "اشترك الآن",
    "Zapisz się",
    "Inschrijven",
    "Assine já",
    "View in browser",
    "Im Browser ansehen",
    "Impressum",
    "Privacy policy",
    "Contact us",
    "unsubstantiated",
)
"""What newsletters say beside them."""


def test_every_language_of_the_pages_has_its_forms() -> None:
    locales = Path(__file__).parents[4] / "layers/consentry/consentry/locales"
    assert set(FORMS) == {"en", *(each.stem for each in locales.glob("*.po"))}


@pytest.mark.parametrize("lang", FORMS)
def test_a_word_is_known_in_its_forms(lang: str) -> None:
    assert [form for form in FORMS[lang] if not words.offers(words.plain(form))] == []


@pytest.mark.parametrize("lang", FORMS)
def test_a_word_is_known_whatever_its_case_and_spelling(lang: str) -> None:
    for form in FORMS[lang]:
        spelled = form.upper(), unicodedata.normalize("NFD", form), "\u00ad".join(form), "\u200b".join(form)
        assert [each for each in spelled if not words.offers(words.plain(each))] == []
        assert words.offers(words.plain(form.replace(" ", "\r\n\u00a0")))


def test_other_words_are_none() -> None:
    assert [each for each in OTHERS if words.offers(words.plain(each))] == []
