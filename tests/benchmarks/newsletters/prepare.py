"""Make a database of subscribers, and print the links by which they unsubscribe, one a line.

python -m newsletters.prepare HOW_MANY
"""

from __future__ import annotations

import os
import sys

import django
from django.core.management import call_command


def main(count: int) -> None:
    """Everybody is subscribed."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "newsletters.settings")
    django.setup()
    call_command("migrate", verbosity=0)
    from newsletter.models import Newsletter, Subscription

    newsletter = Newsletter.objects.create(title="News", slug="news", email="news@example.com", sender="Example")
    newsletter.site.set([1])
    people = [
        Subscription(newsletter=newsletter, email_field=f"person{number}@example.com", subscribed=True)
        for number in range(count)
    ]
    Subscription.objects.bulk_create(people)
    for person in people:
        sys.stdout.write(person.unsubscribe_activate_url() + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
