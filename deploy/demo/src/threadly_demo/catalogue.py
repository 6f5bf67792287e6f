"""What the demo sells: fifteen categories and three hundred items, the same at every load."""

import random
from dataclasses import dataclass
from typing import Any

#: Root and leaf categories; the third word names the silhouette that pictures are drawn with.
CATEGORIES: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("Women", (("Dresses", "dress"), ("Skirts", "skirt"), ("Blouses", "shirt"), ("Knitwear", "jumper"))),
    ("Men", (("Shirts", "shirt"), ("Jackets", "jacket"), ("Trousers", "trousers"), ("Coats", "coat"))),
    ("Everyone", (("Bags", "bag"), ("Hats", "hat"), ("Scarves", "scarf"), ("Shoes", "shoe"))),
)
_NOUNS = {
    "Dresses": ("wrap dress", "summer dress", "shift dress", "evening dress", "shirt dress", "midi dress"),
    "Skirts": ("pleated skirt", "pencil skirt", "denim skirt", "A-line skirt", "wool skirt"),
    "Blouses": ("silk blouse", "linen blouse", "pussy-bow blouse", "cotton blouse"),
    "Knitwear": ("cardigan", "turtleneck", "cable jumper", "mohair sweater", "knitted vest"),
    "Shirts": ("Oxford shirt", "flannel shirt", "camp-collar shirt", "denim shirt", "dress shirt"),
    "Jackets": ("bomber jacket", "blazer", "denim jacket", "field jacket", "corduroy jacket"),
    "Trousers": ("chinos", "wide-leg trousers", "corduroys", "straight jeans", "pleated trousers"),
    "Coats": ("trench coat", "duffle coat", "wool overcoat", "parka", "pea coat"),
    "Bags": ("tote bag", "satchel", "crossbody bag", "weekender", "bucket bag"),
    "Hats": ("bucket hat", "fedora", "beret", "straw hat", "wool cap"),
    "Scarves": ("silk scarf", "wool scarf", "bandana", "cashmere shawl"),
    "Shoes": ("loafers", "ankle boots", "sneakers", "sandals", "brogues"),
}
_BRANDS = (
    "Halden",
    "Maison Lune",
    "Nordlys",
    "Cara & Co",
    "Ostra",
    "Field & Fen",
    "Lumen",
    "Petit Jour",
    "Kestrel",
    "Voss",
)
COLORS = {
    "black": (38, 38, 42), "cream": (236, 226, 205), "navy": (38, 52, 88), "red": (176, 46, 46), "olive": (104, 108, 62),
    "camel": (184, 140, 92), "rose": (214, 140, 150), "sky blue": (130, 176, 214), "forest green": (44, 88, 66),
    "mustard": (208, 160, 52), "burgundy": (104, 34, 50), "grey": (134, 138, 144), "lilac": (174, 152, 200),
    "rust": (176, 92, 52), "white": (244, 244, 240),
}  # fmt: skip
PATTERNS = ("plain", "plain", "striped", "dotted", "checked", "floral")
_MATERIALS = ("cotton", "linen", "wool", "silk", "viscose", "denim", "cashmere", "leather")
_SIZES = ("XS", "S", "M", "L", "XL", "36", "38", "40", "42")
_CONDITIONS = ("NEW_WITH_TAGS", "NEW_WITHOUT_TAGS", "VERY_GOOD", "GOOD", "SATISFACTORY")
_STORIES = (
    "Worn to one wedding and kept in its bag ever since.",
    "A favourite that no longer fits, and deserves to go out again.",
    "Found in a small shop in Lisbon, never quite my colour.",
    "Bought twice by mistake; this one was hardly worn.",
    "My grandmother's, taken in at the waist by a good tailor.",
    "It has kept me company through three winters and still looks it.",
)
_CARE = ("Machine wash at 30°.", "Dry clean only.", "Wash by hand, dry flat.", "Wipe with a damp cloth.")
ITEMS = 300


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the demo."""

    number: int
    category: str
    silhouette: str
    color: str
    pattern: str
    seller: int
    """Whose it is: a place in `people.PEOPLE`."""
    listing: dict[str, Any]
    """What is sent to `POST /v1/products`, but for the category's id and the pictures."""


def _words(noun: str, color: str, pattern: str, brand: str, pick: random.Random) -> tuple[str, str]:
    adjective = "" if pattern == "plain" else f"{pattern} "
    title = f"{brand} {color} {adjective}{noun}"
    description = (
        f"<p>{pick.choice(_STORIES)}</p><ul><li>Colour: <b>{color}</b></li>"
        f"<li>{pick.choice(_CARE)}</li></ul><p>Smoke-free home. Ask me for measures &amp; more pictures.</p>"
    )
    return title, description


def _item(number: int, pick: random.Random, people: int) -> Item:
    _, leaves = CATEGORIES[number % len(CATEGORIES)]
    category, silhouette = leaves[number // len(CATEGORIES) % len(leaves)]
    color, pattern = pick.choice(tuple(COLORS)), pick.choice(PATTERNS)
    brand, price = pick.choice(_BRANDS), pick.randrange(400, 18_000, 50)
    title, description = _words(pick.choice(_NOUNS[category]), color, pattern, brand, pick)
    listing: dict[str, Any] = {
        "title": title,
        "description": description,
        "price": f"{price / 100:.2f}",
        "condition": pick.choice(_CONDITIONS),
        "size": pick.choice(_SIZES),
        "brand": brand,
        "color": color,
        "material": pick.choice(_MATERIALS),
    }
    if pick.random() < 0.5:  # noqa: PLR2004 - every other item says what it once cost
        listing["original_price"] = f"{price * pick.randrange(2, 5) / 100:.2f}"
    return Item(number, category, silhouette, color, pattern, number % people, listing)


def items(people: int) -> list[Item]:
    """All items, spread over so many sellers."""
    pick = random.Random(20_261_122)  # noqa: S311 - the same demo for everybody, no secret
    return [_item(number, pick, people) for number in range(ITEMS)]
