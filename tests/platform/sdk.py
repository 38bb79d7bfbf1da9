"""Sends one of each call with the library as PyPI has it, and prints the message ids that it gave them.

Usage: sdk.py HOST WRITE_KEY GZIP(0|1) PREFIX
"""

import json
import sys
from datetime import date, datetime, timezone

from segment.analytics.client import Client

host, write_key, gzip, prefix = sys.argv[1:5]
failures = []
client = Client(
    write_key,
    host=host,
    gzip=gzip == "1",
    max_retries=2,
    on_error=lambda error, items: failures.append(f"{error!r} for {len(items)} messages"),
)
user, anonymous, old = f"{prefix}-user", f"{prefix}-anonymous", f"{prefix}-old"
calls = [
    client.track(anonymous_id=old, event="Product Viewed", properties={"product_id": "p0"}),
    client.page(anonymous_id=anonymous, category="Docs", name="Home", properties={"url": "https://shop.example/"}),
    client.screen(anonymous_id=anonymous, name="Cart"),
    client.identify(user, {"email": f" {prefix}@Example.com ", "birthday": date(1990, 2, 28)}, anonymous_id=anonymous),
    client.track(user, "Order Completed", {"order_id": "o1", "revenue": 12.5}, timestamp=datetime.now(timezone.utc)),
    client.group(user, f"{prefix}-group", {"seats": 5}),
    client.alias(old, user),
]
client.flush()
client.join()
accepted = [message["messageId"] for is_queued, message in calls if is_queued]
print(json.dumps(accepted))
sys.exit("; ".join(failures) or None)
